import ApusDevice

/// The register tile of the work-item kernels: `rows` neighbouring rows or pixels by `columns` channels.
struct WorkItemTile: Hashable {
    var rows: Int
    var columns: Int
    var vectorWidth: Int

    /// The vector registers of a core: 32 with AVX-512, 16 before.
    private static func registers(_ vectorWidth: Int) -> Int { vectorWidth >= 16 ? 32 : 16 }

    /// Every tile whose accumulators, weights and broadcast fit the registers.
    static func candidates(vectorWidth: Int) -> [WorkItemTile] {
        (1...4).flatMap { vectors in
            (1...28).filter { $0 * vectors + vectors + 1 <= registers(vectorWidth) }
                .map { WorkItemTile(rows: $0, columns: vectors * vectorWidth, vectorWidth: vectorWidth) }
        }
    }

    /// The cycles of one step of the K loop: multiply-adds at one a cycle, operands at two loads a cycle, and no fewer
    /// than the latency of a multiply-add, since each accumulator waits for its last one.
    private var stepCycles: Double {
        let vectors = columns / vectorWidth
        return max(Double(rows * vectors), Double(rows + vectors) / 2, 4) + 0.05 * Double(rows + vectors)
    }

    /// The tile with the least work for a problem, whole tiles counted.
    ///
    /// - Parameters:
    ///   - rows: output pixels of one row, or rows of a matrix; a tile has no more rows than these.
    ///   - lines: how many such rows there are.
    ///   - columns: output channels of one group, or columns of a matrix.
    ///   - depth: steps of the K loop; its length weighs the store against the loop.
    static func best(
        rows: Int,
        lines: Int = 1,
        columns: Int,
        depth: Int,
        computeUnits: Int,
        vectorWidth: Int
    ) -> WorkItemTile {
        func cost(_ tile: WorkItemTile) -> Double {
            let tiles = ceilingDivision(rows, tile.rows) * ceilingDivision(columns, tile.columns)
            let items = tiles * lines
            let store = Double(tile.rows * tile.columns / vectorWidth) * 2 + 40
            let perItem = tile.stepCycles * Double(depth) + store
            return perItem * Double(ceilingDivision(items, computeUnits))
        }
        let fitting = candidates(vectorWidth: vectorWidth).filter { $0.rows <= max(rows, 1) }
        return fitting.min { cost($0) < cost($1) }
            ?? WorkItemTile(rows: 1, columns: vectorWidth, vectorWidth: vectorWidth)
    }

    /// The defines of `microkernel/tile.cl`.
    var defines: [String: String] {
        ["MR": String(rows), "NR": String(columns), "VECTOR": String(vectorWidth)]
    }
}

/// The smallest whole number that is not below `a / b`.
func ceilingDivision(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }
