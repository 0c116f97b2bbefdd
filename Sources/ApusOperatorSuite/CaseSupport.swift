import ApusGraph
import ApusTensor

/// Random values of a type.
func random(
    _ elementType: ElementType,
    _ shape: [Int],
    _ range: ClosedRange<Double> = -3...3
) -> OperatorCase.Input {
    .random(TensorType(elementType, shape), range)
}

/// Random float32 values.
func floats(_ shape: [Int], _ range: ClosedRange<Double> = -3...3) -> OperatorCase.Input {
    random(.float32, shape, range)
}

/// A vector of int64 that is known when shapes are bound.
func known(_ values: [Int64]) -> OperatorCase.Input { .constant(Tensor(vector: values)) }

/// An int64 scalar that is known when shapes are bound.
func knownScalar(_ value: Int64) -> OperatorCase.Input { .constant(Tensor(scalar: value)) }

/// Given elements of a shape that must hold as many.
func given<Element: TensorElement>(_ shape: [Int], _ elements: [Element]) -> OperatorCase.Input {
    .given(tensor(shape, elements))
}

/// A tensor of elements of a shape that must hold as many.
func tensor<Element: TensorElement>(_ shape: [Int], _ elements: [Element]) -> Tensor {
    precondition(shape.reduce(1, *) == elements.count, "\(elements.count) elements for \(shape)")
    return Tensor(TensorType(Element.elementType, shape)) { bytes in
        elements.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
}

/// A tensor of bools of a shape that must hold as many.
func bools(_ shape: [Int], _ elements: [Bool]) -> Tensor {
    precondition(shape.reduce(1, *) == elements.count, "\(elements.count) elements for \(shape)")
    return Tensor(TensorType(.bool, shape)) { bytes in
        for (index, element) in elements.enumerated() { bytes[index] = element ? 1 : 0 }
    }
}

/// The attributes of an operator with windows; what is `nil` is left out.
func windowAttributes(
    kernelShape: [Int64]? = nil,
    strides: [Int64]? = nil,
    pads: [Int64]? = nil,
    dilations: [Int64]? = nil,
    group: Int64? = nil,
    autoPad: String? = nil
) -> [String: AttributeValue] {
    var attributes: [String: AttributeValue] = [:]
    attributes["kernel_shape"] = kernelShape.map { .ints($0) }
    attributes["strides"] = strides.map { .ints($0) }
    attributes["pads"] = pads.map { .ints($0) }
    attributes["dilations"] = dilations.map { .ints($0) }
    attributes["group"] = group.map { .int($0) }
    attributes["auto_pad"] = autoPad.map { .string([UInt8]($0.utf8)) }
    return attributes
}

/// The relative error that results of a type may show.
func tolerance(_ type: ElementType) -> Double {
    switch type {
    case .float16: 2e-3
    case .bfloat16: 2e-2
    case .float32: 1e-6
    case .float64: 1e-12
    default: 0
    }
}
