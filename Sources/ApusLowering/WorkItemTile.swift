import ApusDevice

/// The register tile of the work-item kernels: `rows` neighbouring rows or pixels by `columns` channels.
///
/// The choice rests on what a model fixes, its channels and the extents of one image, never on the batch: a new shape
/// then finds its program already built.
struct WorkItemTile: Hashable {
    var rows: Int
    var columns: Int
    var vectorWidth: Int

    /// The rows that divide the maps of common networks, largest first.
    private static let rowChoices = [14, 7, 6, 4, 2, 1]

    /// The tile whose whole panels waste least of the columns, with as many rows as registers and map allow.
    ///
    /// - Parameters:
    ///   - rows: output pixels of one row of one image, or rows of a matrix; a tile has no more rows than these.
    ///   - columns: output channels of one group, or columns of a matrix.
    ///   - holdsScalar: whether a register holds the scalar that vectors are multiplied by.
    static func best(rows: Int, columns: Int, vectorWidth: Int, holdsScalar: Bool = false) -> WorkItemTile {
        let candidates = (1...4).map { vectors in
            WorkItemTile(
                rows: rowChoices.first {
                    $0 <= min(maximumRows(vectors, vectorWidth, holdsScalar: holdsScalar), max(rows, 1))
                } ?? 1,
                columns: vectors * vectorWidth,
                vectorWidth: vectorWidth
            )
        }
        func cost(_ tile: WorkItemTile) -> Double {
            let vectors = tile.columns / vectorWidth
            let multiplies = Double(tile.rows * vectors)
            // Processors with 8 lanes load as often as they multiply.
            let loads = Double(tile.rows + vectors) / (vectorWidth >= 16 ? 2 : 1)
            // Vectors of weights come from farther away than the scalars of a row.
            let cycles = max(multiplies, loads, 4) + 0.1 * Double(tile.rows) + 0.8 * Double(vectors)
            return Double(ceilingDivision(rows, tile.rows) * ceilingDivision(columns, tile.columns)) * cycles
        }
        return candidates.min { cost($0) < cost($1) } ?? candidates[0]
    }

    /// The tile for matrices of any number of rows: the panels that waste least of the columns, then the fewest loads.
    static func matrix(columns: Int, vectorWidth: Int) -> WorkItemTile {
        let shapes = vectorWidth >= 16 ? [(8, 3), (14, 2), (6, 4), (14, 1)] : [(4, 3), (6, 2), (12, 1)]
        func cost(_ rows: Int, _ vectors: Int) -> Double {
            let panels = ceilingDivision(columns, vectors * vectorWidth)
            return Double(panels) * (Double(rows * vectors) + 0.1 * Double(rows) + 0.3 * Double(vectors)) / Double(rows)
        }
        let best = shapes.min { cost($0.0, $0.1) < cost($1.0, $1.1) } ?? shapes[0]
        return WorkItemTile(rows: best.0, columns: best.1 * vectorWidth, vectorWidth: vectorWidth)
    }

    /// Accumulators and weights must fit the registers; AVX-512 multiplies by a scalar in memory, before it a register
    /// holds the scalar.
    static func maximumRows(_ vectors: Int, _ vectorWidth: Int, holdsScalar: Bool = false) -> Int {
        vectorWidth >= 16 ? ((holdsScalar ? 31 : 32) - vectors) / vectors : (15 - vectors) / vectors
    }

    /// The defines of `microkernel/tile.cl`.
    ///
    /// - Parameter storage: what the rows hold that the kernel multiplies.
    func defines(_ device: DeviceInfo, _ storage: ElementStorage = .float32) -> [String: String] {
        var defines = shapeDefines
        if storage.hasInstructions(device) {
            if storage == .bfloat16 { defines["BF16_PAIRS"] = "1" } else { defines["ASM_TILE"] = "1" }
        }
        return defines
    }

    /// The defines of a kernel that only has the shape of the tile.
    var shapeDefines: [String: String] {
        ["MR": String(rows), "NR": String(columns), "VECTOR": String(vectorWidth)]
    }
}

/// The smallest whole number that is not below `a / b`.
func ceilingDivision(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
