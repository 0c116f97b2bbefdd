/// The element type and concrete shape of a tensor.
public struct TensorType: Sendable, Hashable, CustomStringConvertible {
    /// The type of the elements.
    public var elementType: ElementType
    /// The extent of each axis, outermost first; empty for a scalar.
    public var shape: [Int]

    /// A type that `validated()` has yet to check.
    public init(_ elementType: ElementType, _ shape: [Int]) {
        self.elementType = elementType
        self.shape = shape
    }

    /// The number of axes.
    public var rank: Int { shape.count }

    /// The number of elements; traps on overflow, so the shape must have passed `validated()` before.
    public var elementCount: Int { shape.reduce(1, *) }

    /// The bytes of a dense tensor of this type.
    public var byteCount: Int { elementType.byteCount(elements: elementCount) ?? 0 }

    /// Checks that every extent is non-negative and that the byte count fits in `Int`.
    ///
    /// - Throws: `ModelError` with code `invalidModel`.
    @discardableResult
    public func validated() throws(ModelError) -> TensorType {
        var count = 1
        for extent in shape {
            guard extent >= 0 else {
                throw ModelError(.invalidModel, "shape \(shape) has a negative extent")
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: max(extent, 1))
            guard !overflow else { throw ModelError(.limitExceeded, "the element count of shape \(shape) overflows") }
            count = product
        }
        guard elementType.byteCount(elements: count) != nil else {
            throw ModelError(.limitExceeded, "the byte count of \(elementType) \(shape) overflows")
        }
        return self
    }

    /// Element type and shape, such as `float32[1,3,224,224]`.
    public var description: String {
        "\(elementType)[\(shape.map(String.init).joined(separator: ","))]"
    }
}

/// Row-major element strides of a dense tensor.
package func contiguousStrides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    var stride = 1
    for axis in shape.indices.reversed() {
        strides[axis] = stride
        stride *= shape[axis]
    }
    return strides
}
