package import ApusTensor

/// The extent of one axis of a value whose shape is not bound yet.
package enum Dimension: Sendable, Hashable, CustomStringConvertible {
    case known(Int)
    /// Equal symbols of one model stand for equal extents.
    case symbol(String)
    case unknown

    package var description: String {
        switch self {
        case .known(let extent): String(extent)
        case .symbol(let name): name
        case .unknown: "?"
        }
    }
}

/// What the model declares about a value.
package indirect enum ValueType: Sendable, Hashable, CustomStringConvertible {
    /// A tensor; the shape is `nil` where not even the rank is known.
    case tensor(ElementType, [Dimension]?)
    case sequence(ValueType)
    case optional(ValueType)

    package var description: String {
        switch self {
        case .tensor(let elementType, let shape):
            "\(elementType)[\(shape.map { $0.map(\.description).joined(separator: ",") } ?? "...")]"
        case .sequence(let element): "sequence(\(element))"
        case .optional(let element): "optional(\(element))"
        }
    }
}
