/// Any value that flows along an edge of a model.
public enum RuntimeValue: Sendable {
    case tensor(Tensor)
    case strings(StringTensor)
    /// Values of one type.
    case sequence([RuntimeValue])
    /// A value, or its absence.
    indirect case optional(RuntimeValue?)

    /// The tensor.
    ///
    /// - Throws: `ModelError` with code `invalidInput` if the value is no numeric tensor.
    public func tensor() throws(ModelError) -> Tensor {
        guard case .tensor(let tensor) = self else {
            throw ModelError(.invalidInput, "expected a tensor, found \(kind)")
        }
        return tensor
    }

    /// A word for the kind of value, for messages.
    public var kind: String {
        switch self {
        case .tensor(let tensor): "a tensor \(tensor.type)"
        case .strings(let strings): "a tensor of strings \(strings.shape)"
        case .sequence(let values): "a sequence of \(values.count)"
        case .optional(let value): value.map { "an optional of \($0.kind)" } ?? "an empty optional"
        }
    }
}

/// A tensor of byte strings, in row-major order.
public struct StringTensor: Sendable, Hashable {
    /// The extent of each axis, outermost first.
    public let shape: [Int]
    /// The bytes of each string, in row-major order.
    public let elements: [[UInt8]]

    /// - Throws: `ModelError` if the count of elements does not fit the shape.
    public init(shape: [Int], _ elements: [[UInt8]]) throws(ModelError) {
        try TensorType(.uint8, shape).validated()
        guard shape.reduce(1, *) == elements.count else {
            throw ModelError(.invalidModel, "shape \(shape) does not hold \(elements.count) strings")
        }
        self.shape = shape
        self.elements = elements
    }
}
