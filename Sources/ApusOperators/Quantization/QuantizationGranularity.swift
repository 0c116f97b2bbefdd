import ApusGraph
import ApusTensor

/// How scales and zero points belong to a tensor: one for all, one an index of an axis, or one a block along an axis.
///
/// - Source: ONNX QuantizeLinear, DequantizeLinear, opset 25.
package struct QuantizationGranularity: Sendable, Hashable {
    package let axis: Int
    /// Elements of a block along the axis; 0 where there are no blocks.
    package let blockSize: Int

    init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: 1)
        blockSize = try node.attributes.int("block_size", default: 0)
        guard blockSize >= 0 else { throw ModelError(.invalidModel, "block_size is \(blockSize)") }
    }

    /// Checks the shape of a scale.
    ///
    /// - Throws: `ModelError` if it is neither a single element, nor a vector along the axis, nor a tensor of blocks.
    func check(scale: [Int], input: [Int]) throws(ModelError) {
        if blockSize == 0 && scale.count <= 1 && scale.reduce(1, *) == 1 { return }
        let axis = try normalizedAxis(axis, rank: input.count)
        if blockSize == 0 {
            guard scale == [input[axis]] else {
                throw ModelError(.invalidModel, "the scale \(scale) does not fit axis \(axis) of \(input)")
            }
            return
        }
        var expected = input
        expected[axis] = input[axis] / blockSize + (input[axis] % blockSize == 0 ? 0 : 1)
        guard scale == expected else {
            throw ModelError(.invalidModel, "the scale \(scale) of blocks of \(blockSize) is expected as \(expected)")
        }
    }

    /// The shape under which parameters broadcast to the input; `nil` where blocks have to be repeated.
    ///
    /// `check` has accepted the shapes before.
    package func broadcastShape(scale: [Int], input: [Int]) -> [Int]? {
        if blockSize == 1 { return scale }
        guard blockSize == 0 else { return nil }
        if scale.reduce(1, *) == 1 { return [] }
        let axis = self.axis < 0 ? self.axis + input.count : self.axis
        return input.indices.map { $0 == axis ? input[axis] : 1 }
    }

    /// The parameters so that they broadcast to the input; blocks are written out.
    func broadcast(_ parameters: Tensor, input: [Int]) throws(ModelError) -> Tensor {
        if let shape = broadcastShape(scale: parameters.shape, input: input) { return try parameters.reshaped(shape) }
        let axis = try normalizedAxis(axis, rank: input.count)
        let view = AxisView(input, axis: axis)
        let blocks = parameters.shape[axis]
        let source = try parameters.doubles()
        var values: [Double] = []
        values.reserveCapacity(view.outer * view.extent * view.inner)
        for outer in 0..<view.outer {
            for index in 0..<view.extent {
                let start = (outer * blocks + index / blockSize) * view.inner
                values += source[start..<start + view.inner]
            }
        }
        return try Tensor(TensorType(parameters.elementType, input), rounding: values)
    }
}
