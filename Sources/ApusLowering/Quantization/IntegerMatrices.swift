import ApusGraph
import ApusOperators
import ApusTensor

/// The matrices of a product of bytes, row-major: rows are pixels of a line, a batch has two levels.
struct IntegerMatrices {
    var rows: Int
    let depth: Int
    let columns: Int
    /// The extents of the two levels of the batch.
    var batch = [1, 1]
    /// Elements of the left operand between matrices of either level.
    var leftPitches = [0, 0]
    var outputPitches = [0, 0]
    /// Matrices of the right operand between those of either level.
    var rightSteps = [0, 0]
    /// The matrices of the right operand.
    let rightCount: Int
    let coordinates: EpilogueSource.Coordinates

    /// - Parameter transposesB: whether the right operand, a single matrix, is `[n, k]`.
    /// - Throws: `ModelError` with code `unsupported` for batches that two levels cannot walk, and for empty sums.
    init(_ left: [Int], _ right: [Int], transposesB: Bool) throws(ModelError) {
        let extents = try MatMul.dimensions(left, transposesB ? right.reversed() : right)
        (rows, depth, columns) = (extents.rows, extents.depth, extents.columns)
        guard depth > 0 else { throw ModelError(.unsupported, "no integer kernel for an empty sum") }
        rightCount = right.dropLast(2).reduce(1, *)
        let axes = Array(extents.batch.indices)
        let rowAxes = left.count > 1 ? [axes.count] : []
        let channel = right.count > 1 ? extents.output.count - 1 : nil
        let dense = contiguousStrides(extents.batch)
        let outputStrides = dense.map { $0 * extents.rows * extents.columns }
        let leftStrides = extents.leftBatchStrides.map { $0 * extents.rows * extents.depth }
        if rightCount == 1, axes.allSatisfy({ extents.batch[$0] == 1 || extents.leftBatchStrides[$0] == dense[$0] }) {
            rows *= extents.batch.reduce(1, *)
            coordinates = EpilogueSource.Coordinates(outer: [[], [], [], axes + rowAxes], channel: channel)
            return
        }
        let strides = [leftStrides, extents.rightBatchStrides, outputStrides]
        let levels = Self.levels(extents.batch, strides)
        guard levels.count <= 2 else {
            throw ModelError(.unsupported, "no kernel for a batch of \(levels.count) axes that cannot be merged")
        }
        for (level, axes) in levels.enumerated() {
            batch[level] = axes.reduce(1) { $0 * extents.batch[$1] }
            guard let inner = axes.last else { continue }
            leftPitches[level] = leftStrides[inner]
            rightSteps[level] = extents.rightBatchStrides[inner]
            outputPitches[level] = outputStrides[inner]
        }
        let outer = levels + [[Int]](repeating: [], count: 3 - levels.count)
        coordinates = EpilogueSource.Coordinates(outer: outer + [rowAxes], channel: channel)
    }

    /// The axes of a batch by level: those of up to two as they are, since an operand of the epilogue may repeat along
    /// one of them, more merged where all strides allow it.
    private static func levels(_ batch: [Int], _ strides: [[Int]]) -> [[Int]] {
        if batch.count <= 2 { return batch.indices.map { [$0] } }
        var levels: [[Int]] = []
        for axis in batch.indices where batch[axis] != 1 {
            if let outer = levels.last?.last, strides.allSatisfy({ $0[outer] == $0[axis] * batch[axis] }) {
                levels[levels.count - 1].append(axis)
            } else {
                levels.append([axis])
            }
        }
        return levels
    }
}
