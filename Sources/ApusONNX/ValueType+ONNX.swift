import ApusGraph
import ApusONNXProto
import ApusTensor

extension ValueType {
    /// The type that a `TypeProto` declares; `nil` where it declares none, or one that no value of the engine has.
    ///
    /// - Throws: `ModelError` if an element type is unknown or there are too many axes.
    init?(_ proto: Onnx_TypeProto) throws(ModelError) {
        switch proto.value {
        case .tensorType(let tensor):
            guard tensor.elemType != 0 else { return nil }
            guard let elementType = ElementType(rawValue: tensor.elemType) else {
                throw ModelError(.invalidModel, "a type has the unknown element type \(tensor.elemType)")
            }
            guard tensor.shape.dim.count <= TensorImporter.maximumRank else {
                throw ModelError(
                    .limitExceeded,
                    "a type has \(tensor.shape.dim.count) axes, the limit is \(TensorImporter.maximumRank)"
                )
            }
            self = .tensor(elementType, tensor.hasShape ? tensor.shape.dim.map(Dimension.init) : nil)
        case .sequenceType(let sequence):
            guard let element = try ValueType(sequence.elemType) else { return nil }
            self = .sequence(element)
        case .optionalType(let optional):
            guard let element = try ValueType(optional.elemType) else { return nil }
            self = .optional(element)
        case .mapType, .sparseTensorType, .opaqueType, nil:
            return nil
        }
    }

    /// The type of a value.
    init?(_ value: RuntimeValue) {
        switch value {
        case .tensor(let tensor): self = .tensor(tensor.elementType, tensor.shape.map { .known($0) })
        case .strings(let strings): self = .tensor(.string, strings.shape.map { .known($0) })
        case .sequence, .optional: return nil
        }
    }
}

extension Dimension {
    fileprivate init(_ proto: Onnx_TensorShapeProto.Dimension) {
        switch proto.value {
        case .dimValue(let extent) where extent >= 0: self = .known(Int(extent))
        case .dimParam(let name) where !name.isEmpty: self = .symbol(name)
        case .dimValue, .dimParam, nil: self = .unknown
        }
    }
}
