package import ApusTensor

/// Typed access to what `Operator.infer` is given.
extension Array where Element == ValueFact? {
    /// Whether the shape of an input depends on computed data, so that the outputs' shapes do as well.
    package var isDataDependent: Bool {
        contains { if case .dataDependent? = $0 { true } else { false } }
    }

    /// The type of an optional input, `nil` where it is left out.
    ///
    /// - Throws: `ModelError` if it is no tensor of a known shape.
    package func optionalType(_ index: Int) throws(ModelError) -> TensorType? {
        guard indices.contains(index), let fact = self[index] else { return nil }
        guard let type = fact.type else {
            throw ModelError(.invalidModel, "input \(index) is not a tensor of a known shape")
        }
        return type
    }

    /// The type of a required input.
    ///
    /// - Throws: `ModelError` if it is left out or no tensor of a known shape.
    package func type(_ index: Int) throws(ModelError) -> TensorType {
        guard let type = try optionalType(index) else {
            throw ModelError(.invalidModel, "the required input \(index) is missing")
        }
        return type
    }

    /// The element type of a required input, whose shape may depend on data.
    ///
    /// - Throws: `ModelError` if it is left out or no numeric tensor.
    package func elementType(_ index: Int) throws(ModelError) -> ElementType {
        guard indices.contains(index), let fact = self[index] else {
            throw ModelError(.invalidModel, "the required input \(index) is missing")
        }
        guard let type = fact.elementType else {
            throw ModelError(.invalidModel, "input \(index) is not a numeric tensor")
        }
        return type
    }

    /// Whether the input is given.
    package func has(_ index: Int) -> Bool { indices.contains(index) && self[index] != nil }

    /// The value of an input where it is known before the run.
    package func value(_ index: Int) -> Tensor? {
        indices.contains(index) ? self[index]?.value : nil
    }
}

/// Typed access to what `Operator.evaluate` is given.
extension Array where Element == RuntimeValue? {
    /// A required tensor.
    ///
    /// - Throws: `ModelError` if it is left out or no numeric tensor.
    package func tensor(_ index: Int) throws(ModelError) -> Tensor {
        guard let tensor = try optionalTensor(index) else {
            throw ModelError(.invalidModel, "the required input \(index) is missing")
        }
        return tensor
    }

    /// An optional tensor, `nil` where it is left out.
    ///
    /// - Throws: `ModelError` if it is no numeric tensor.
    package func optionalTensor(_ index: Int) throws(ModelError) -> Tensor? {
        guard indices.contains(index), let value = self[index] else { return nil }
        return try value.tensor()
    }

    /// A required value of any kind.
    ///
    /// - Throws: `ModelError` if it is left out.
    package func required(_ index: Int) throws(ModelError) -> RuntimeValue {
        guard indices.contains(index), let value = self[index] else {
            throw ModelError(.invalidModel, "the required input \(index) is missing")
        }
        return value
    }
}

/// Checks an axis that may count from the end.
///
/// - Throws: `ModelError` if it is outside `-rank..<rank`.
package func normalizedAxis(_ axis: Int, rank: Int) throws(ModelError) -> Int {
    guard axis >= -rank, axis < rank else {
        throw ModelError(.invalidModel, "axis \(axis) is outside -\(rank)..<\(rank)")
    }
    return axis < 0 ? axis + rank : axis
}

/// Checks axes that may count from the end.
///
/// - Throws: `ModelError` if one is outside `-rank..<rank` or occurs twice.
package func normalizedAxes(_ axes: [Int], rank: Int) throws(ModelError) -> [Int] {
    var seen = Set<Int>()
    var result: [Int] = []
    for axis in axes {
        let axis = try normalizedAxis(axis, rank: rank)
        guard seen.insert(axis).inserted else { throw ModelError(.invalidModel, "axis \(axis) occurs twice") }
        result.append(axis)
    }
    return result
}

/// The shape that numpy's rules broadcast the given shapes to.
///
/// - Throws: `ModelError` if two extents of an axis differ and neither is 1.
package func broadcastShape(_ shapes: [[Int]]) throws(ModelError) -> [Int] {
    let rank = shapes.map(\.count).max() ?? 0
    var result = [Int](repeating: 1, count: rank)
    for shape in shapes {
        for (axis, extent) in zip((rank - shape.count)..., shape) where extent != 1 {
            guard result[axis] == 1 || result[axis] == extent else {
                throw ModelError(
                    .invalidModel,
                    "the shapes \(shapes.map(\.description).joined(separator: " and ")) do not broadcast"
                )
            }
            result[axis] = extent
        }
    }
    return result
}

/// The element strides of a dense tensor read at the coordinates of the shape it is broadcast to; 0 where it repeats.
package func broadcastStrides(_ shape: [Int], to target: [Int]) -> [Int] {
    let strides = zip(shape, contiguousStrides(shape)).map { extent, stride in extent == 1 ? 0 : stride }
    return [Int](repeating: 0, count: target.count - shape.count) + strides
}
