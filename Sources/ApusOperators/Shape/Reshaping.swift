package import ApusGraph
package import ApusTensor

/// An operator whose result holds the same elements in the same order under another shape.
protocol ReshapingOperator: MovementOperator {
    /// The new shape, `nil` where it needs a value that is not known.
    func newShape(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> [Int]?
}

extension ReshapingOperator {
    package func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let type = try inputs.type(0)
        guard let shape = try newShape(type.shape, inputs) else { return [.dataDependent(type.elementType)] }
        let result = try TensorType(type.elementType, shape).validated()
        guard result.elementCount == type.elementCount else {
            throw ModelError(.invalidModel, "\(type) cannot take the shape \(shape)")
        }
        return [ValueFact(result)]
    }

    package func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        guard let shape = try newShape(input.shape, inputs.map { $0.map(ValueFact.init) }) else {
            throw ModelError(.invalidModel, "the shape is missing")
        }
        return [.tensor(try input.reshaped(shape))]
    }

    package func cost(inputs: [TensorType?], outputs: [TensorType?]) -> Cost { Cost(operations: 0, bytes: 0) }
}

/// ONNX `Reshape` (opset 25): 0 keeps an extent unless `allowzero`, -1 takes the rest.
package struct Reshape: ReshapingOperator {
    private let allowsZero: Bool

    package init(_ node: Node) throws(ModelError) {
        allowsZero = try node.attributes.bool("allowzero", default: false)
    }

    func newShape(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> [Int]? {
        _ = try inputs.type(1)
        guard var target = try inputs.knownIntegers(1) else { return nil }
        for (axis, extent) in target.enumerated() {
            guard extent >= -1 else { throw ModelError(.invalidModel, "the extent \(extent) of a new shape") }
            guard extent == 0, !allowsZero else { continue }
            guard axis < shape.count else {
                throw ModelError(.invalidModel, "the new shape \(target) copies axis \(axis) of \(shape)")
            }
            target[axis] = shape[axis]
        }
        guard let free = target.firstIndex(of: -1) else { return target }
        guard target.lastIndex(of: -1) == free else {
            throw ModelError(.invalidModel, "the new shape \(target) has more than one -1")
        }
        let rest = try checkedProduct(target.indices.filter { $0 != free }.map { target[$0] })
        let count = try checkedProduct(shape)
        guard rest != 0 ? count % rest == 0 : count == 0 && !(allowsZero && target.contains(0)) else {
            throw ModelError(.invalidModel, "\(shape) cannot take the shape \(target)")
        }
        target[free] = rest == 0 ? 0 : count / rest
        return target
    }
}

/// ONNX `Flatten` (opset 25): to two axes, split before `axis`.
package struct Flatten: ReshapingOperator {
    private let axis: Int

    package init(_ node: Node) throws(ModelError) {
        axis = try node.attributes.int("axis", default: 1)
    }

    func newShape(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> [Int]? {
        guard axis >= -shape.count, axis <= shape.count else {
            throw ModelError(.invalidModel, "axis \(axis) is outside -\(shape.count)...\(shape.count)")
        }
        let split = axis < 0 ? axis + shape.count : axis
        return [try checkedProduct(shape[..<split]), try checkedProduct(shape[split...])]
    }
}

/// ONNX `Squeeze` (opset 25): drops axes of extent 1.
package struct Squeeze: ReshapingOperator {
    package init(_ node: Node) throws(ModelError) {}

    func newShape(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> [Int]? {
        guard inputs.has(1) else { return shape.filter { $0 != 1 } }
        guard let given = try inputs.knownIntegers(1) else { return nil }
        let axes = try normalizedAxes(given, rank: shape.count)
        for axis in axes where shape[axis] != 1 {
            throw ModelError(.invalidModel, "axis \(axis) of \(shape) has not the extent 1")
        }
        return shape.indices.filter { !axes.contains($0) }.map { shape[$0] }
    }
}

/// ONNX `Unsqueeze` (opset 25): inserts axes of extent 1.
package struct Unsqueeze: ReshapingOperator {
    package init(_ node: Node) throws(ModelError) {}

    func newShape(_ shape: [Int], _ inputs: [ValueFact?]) throws(ModelError) -> [Int]? {
        _ = try inputs.type(1)
        guard let given = try inputs.knownIntegers(1) else { return nil }
        let rank = shape.count + given.count
        let axes = Set(try normalizedAxes(given, rank: rank))
        var rest = shape.makeIterator()
        return (0..<rank).map { axes.contains($0) ? 1 : rest.next() ?? 1 }
    }
}
