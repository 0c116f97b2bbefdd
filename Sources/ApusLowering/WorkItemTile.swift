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
    /// The rows that `microkernel/multiply.cl` addresses.
    private static let mostRows = 14

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
        return candidates.min { $0.cost(rows: rows, columns: columns) < $1.cost(rows: rows, columns: columns) }
            ?? candidates[0]
    }

    /// Every tile that registers and map allow, by expected time; see `best` for the parameters.
    static func ranked(rows: Int, columns: Int, vectorWidth: Int, holdsScalar: Bool = false) -> [WorkItemTile] {
        all(vectorWidth: vectorWidth, holdsScalar: holdsScalar).filter { $0.rows <= max(rows, 1) }
            .sorted { $0.cost(rows: rows, columns: columns) < $1.cost(rows: rows, columns: columns) }
    }

    /// The time of all tiles of a map, counted in multiply-adds of one vector.
    private func cost(rows: Int, columns: Int) -> Double {
        let vectors = self.columns / vectorWidth
        let multiplies = Double(self.rows * vectors)
        // Processors with 8 lanes load as often as they multiply.
        let loads = Double(self.rows + vectors) / (vectorWidth >= 16 ? 2 : 1)
        // Vectors of weights come from farther away than the scalars of a row.
        let cycles = max(multiplies, loads, 4) + 0.1 * Double(self.rows) + 0.8 * Double(vectors)
        return Double(ceilingDivision(rows, self.rows) * ceilingDivision(columns, self.columns)) * cycles
    }

    /// The tile for matrices of any number of rows: the panels that waste least of the columns, then the fewest loads.
    static func matrix(columns: Int, vectorWidth: Int) -> WorkItemTile {
        let shapes = vectorWidth >= 16 ? [(8, 3), (14, 2), (6, 4), (14, 1)] : [(4, 3), (6, 2), (12, 1)]
        let tiles = shapes.map {
            WorkItemTile(rows: $0.0, columns: $0.1 * vectorWidth, vectorWidth: vectorWidth)
        }
        return tiles.min { $0.matrixCost(columns) < $1.matrixCost(columns) } ?? tiles[0]
    }

    /// Every tile that registers allow, by expected time for matrices of any number of rows.
    static func rankedForMatrix(columns: Int, vectorWidth: Int) -> [WorkItemTile] {
        all(vectorWidth: vectorWidth).sorted { $0.matrixCost(columns) < $1.matrixCost(columns) }
    }

    /// The time of a row, counted in multiply-adds of one vector.
    private func matrixCost(_ columns: Int) -> Double {
        let vectors = self.columns / vectorWidth
        let step = Double(rows * vectors) + 0.1 * Double(rows) + 0.3 * Double(vectors)
        return Double(ceilingDivision(columns, self.columns)) * step / Double(rows)
    }

    private static func all(vectorWidth: Int, holdsScalar: Bool = false) -> [WorkItemTile] {
        (1...4).flatMap { vectors in
            (1...max(1, min(mostRows, maximumRows(vectors, vectorWidth, holdsScalar: holdsScalar)))).map {
                WorkItemTile(rows: $0, columns: vectors * vectorWidth, vectorWidth: vectorWidth)
            }
        }
    }

    /// The tile as tuning stores it.
    func choice(panelAxis: Int? = nil) -> TuningChoice {
        .tile(rows: rows, columns: columns, panelAxis: panelAxis)
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
