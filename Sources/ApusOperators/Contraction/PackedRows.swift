/// The left operands of matrix products in Double, two rows interleaved.
///
/// Element `(row, k)` of a matrix lies in lane `row % 2` of vector `k` of the row pair `row / 2`; the last row of an odd
/// count is paired with zeros.
struct PackedRows: Sendable {
    static let rowsPerTile = 2

    let rows: Int
    let depth: Int
    private let storage: [SIMD2<Double>]

    var tilesPerMatrix: Int { (rows + 1) / Self.rowsPerTile }

    /// - Parameter load: fills a buffer of `depth` elements with one row of one matrix; called from several threads.
    init(
        matrices: Int,
        rows: Int,
        depth: Int,
        load: (_ matrix: Int, _ row: Int, _ target: UnsafeMutableBufferPointer<Double>) -> Void
    ) {
        self.rows = rows
        self.depth = depth
        let tiles = (rows + 1) / Self.rowsPerTile
        storage = [SIMD2<Double>](unsafeUninitializedCapacity: matrices * tiles * depth) { memory, count in
            count = matrices * tiles * depth
            guard count > 0, let base = memory.baseAddress else { return }
            parallelFor(matrices * tiles, grain: max(1, 4096 / depth)) { range in
                withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * depth) { pair in
                    let even = UnsafeMutableBufferPointer(rebasing: pair[..<depth])
                    let odd = UnsafeMutableBufferPointer(rebasing: pair[depth...])
                    for index in range {
                        let row = index % tiles * Self.rowsPerTile
                        load(index / tiles, row, even)
                        if row + 1 < rows { load(index / tiles, row + 1, odd) } else { odd.update(repeating: 0) }
                        let tile = base + index * depth
                        for k in 0..<depth { tile[k] = SIMD2(even[k], odd[k]) }
                    }
                }
            }
        }
    }

    /// Multiplies matrices with panels of eight columns, on all cores, with sums in Double.
    ///
    /// - Parameters:
    ///   - products: the number of products; `matrix` tells the left operand of each.
    ///   - columns: the columns of every right operand.
    ///   - loadPanel: fills `depth` vectors with the columns from the given one on; lanes past the end are ignored.
    ///   - store: takes up to eight finished elements of a row, which it may change.
    func multiply(
        products: Int,
        columns: Int,
        matrix: (Int) -> Int,
        loadPanel: (_ product: Int, _ column: Int, _ panel: UnsafeMutablePointer<SIMD8<Double>>) -> Void,
        store: (_ product: Int, _ row: Int, _ column: Int, _ values: UnsafeMutableBufferPointer<Double>) -> Void
    ) {
        guard products > 0, columns > 0, rows > 0 else { return }
        let panels = (columns - 1) / 8 + 1
        let group = min(8, max(1, 16_384 / max(depth, 1)))
        storage.withUnsafeBufferPointer { storage in
            parallelFor(products * panels, grain: min(group, panels)) { range in
                withUnsafeTemporaryAllocation(of: SIMD8<Double>.self, capacity: group * depth + 1) { memory in
                    guard let memory = memory.baseAddress else { return }
                    var next = range.lowerBound
                    while next < range.upperBound {
                        let product = next / panels
                        let first = next % panels
                        let count = min(group, panels - first, range.upperBound - next)
                        for panel in 0..<count { loadPanel(product, (first + panel) * 8, memory + panel * depth) }
                        for tile in 0..<tilesPerMatrix {
                            let start = (matrix(product) * tilesPerMatrix + tile) * depth
                            let left = UnsafeBufferPointer(rebasing: storage[start..<start + depth])
                            for panel in 0..<count {
                                var sums = Self.multiply(left, memory + panel * depth)
                                let column = (first + panel) * 8
                                let lanes = min(8, columns - column)
                                let row = tile * Self.rowsPerTile
                                Self.withLanes(&sums.0, lanes) { store(product, row, column, $0) }
                                if row + 1 < rows {
                                    Self.withLanes(&sums.1, lanes) { store(product, row + 1, column, $0) }
                                }
                            }
                        }
                        next += count
                    }
                }
            }
        }
    }

    @inline(__always)
    private static func multiply(
        _ left: UnsafeBufferPointer<SIMD2<Double>>,
        _ panel: UnsafeMutablePointer<SIMD8<Double>>
    ) -> (SIMD8<Double>, SIMD8<Double>) {
        var even = SIMD8<Double>.zero
        var odd = SIMD8<Double>.zero
        for k in left.indices {
            let row = left[k]
            let column = panel[k]
            even += column * row.x
            odd += column * row.y
        }
        return (even, odd)
    }

    private static func withLanes(
        _ values: inout SIMD8<Double>,
        _ count: Int,
        _ body: (UnsafeMutableBufferPointer<Double>) -> Void
    ) {
        withUnsafeMutableBytes(of: &values) { bytes in
            body(UnsafeMutableBufferPointer(rebasing: bytes.assumingMemoryBound(to: Double.self)[..<count]))
        }
    }
}
