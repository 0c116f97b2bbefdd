/// Several strided readings of one index space, with neighbouring axes merged where all readings allow it.
struct StridedViews: Sendable {
    /// The extents of the merged axes, none of them 1.
    private(set) var shape: [Int] = []
    /// The element strides of each reading along the merged axes.
    private(set) var strides: [[Int]]

    /// - Parameter strides: for each reading its element strides along `shape`; 0 and negative ones are allowed.
    init(_ shape: [Int], _ strides: [[Int]]) {
        var merged: [Int] = []
        var mergedStrides = [[Int]](repeating: [], count: strides.count)
        for axis in shape.indices where shape[axis] != 1 {
            let last = merged.count - 1
            let joins =
                last >= 0
                && strides.indices.allSatisfy { mergedStrides[$0][last] == strides[$0][axis] * shape[axis] }
            if joins {
                merged[last] *= shape[axis]
                for view in strides.indices { mergedStrides[view][last] = strides[view][axis] }
            } else {
                merged.append(shape[axis])
                for view in strides.indices { mergedStrides[view].append(strides[view][axis]) }
            }
        }
        self.shape = merged
        self.strides = mergedStrides
    }

    /// Calls a closure for every evenly spaced run of the elements `start..<start + count` of the row-major index space.
    ///
    /// - Parameter body: takes the run's offset from `start`, its first element, the stride and the length.
    func forEachRun(_ view: Int, _ start: Int, _ count: Int, _ body: (Int, Int, Int, Int) -> Void) {
        guard let inner = shape.last else { return body(0, 0, 0, count) }
        let stride = strides[view][shape.count - 1]
        if shape.count == 1 { return body(0, start * stride, stride, count) }
        var row = start / inner
        var column = start % inner
        var done = 0
        while done < count {
            var element = column * stride
            var rest = row
            for axis in (0..<shape.count - 1).reversed() {
                element += rest % shape[axis] * strides[view][axis]
                rest /= shape[axis]
            }
            let length = min(inner - column, count - done)
            body(done, element, stride, length)
            done += length
            row += 1
            column = 0
        }
    }
}
