package import ApusGraph
package import ApusTensor

/// ONNX `Cast` (opset 25) between numeric types.
package struct Cast: Operator {
    private let target: ElementType
    private let conversion: CastConversion

    package var pointwise: PointwiseExpression? {
        conversion.isDefault(for: target) ? .cast(target, .input(0)) : nil
    }

    package init(_ node: Node) throws(ModelError) {
        target = try elementType(code: node.attributes.requiredInt("to"))
        conversion = try CastConversion(node.attributes)
        guard target.isNumeric else { throw ModelError(.unsupported, "casts to \(target) are not supported") }
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        [try inferPointwiseFact(.cast(target, .input(0)), inputs)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.tensor(try conversion.cast(inputs.tensor(0), to: target))]
    }
}

/// ONNX `CastLike` (opset 25): a cast to the element type of the second input.
package struct CastLike: Operator {
    private let conversion: CastConversion

    package init(_ node: Node) throws(ModelError) {
        conversion = try CastConversion(node.attributes)
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        [try inferPointwiseFact(.cast(inputs.elementType(1), .input(0)), inputs)]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        [.tensor(try conversion.cast(inputs.tensor(0), to: inputs.tensor(1).elementType))]
    }
}

/// ONNX `BitCast` (opset 26): the same bits under another element type of the same width.
package struct BitCast: Operator {
    private let target: ElementType

    package init(_ node: Node) throws(ModelError) {
        target = try elementType(code: node.attributes.requiredInt("to"))
    }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        let source = try inputs.elementType(0)
        guard source.bitWidth == target.bitWidth, target != .string else {
            throw ModelError(.invalidModel, "\(source) and \(target) differ in width")
        }
        if inputs.isDataDependent { return [.dataDependent(target)] }
        return [ValueFact(TensorType(target, try inputs.type(0).shape))]
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        let input = try inputs.tensor(0)
        let type = TensorType(target, input.shape)
        return [.tensor(try Tensor(type: type, storage: input.storage, byteOffset: input.byteOffset))]
    }
}

/// How casts treat values that narrow floating-point types cannot hold.
struct CastConversion: Sendable {
    let saturates: Bool
    let rounding: PowerOfTwoScale.Rounding

    init(_ attributes: Attributes) throws(ModelError) {
        saturates = try attributes.bool("saturate", default: true)
        let name = try attributes.string("round_mode", default: "up")
        guard let rounding = PowerOfTwoScale.Rounding(rawValue: name) else {
            throw ModelError(.invalidModel, "round_mode is \"\(name)\", expected up, down or nearest")
        }
        self.rounding = rounding
    }

    /// Saturating or not, everything else by default.
    init(saturates: Bool) {
        self.saturates = saturates
        rounding = .up
    }

    func isDefault(for target: ElementType) -> Bool {
        switch target {
        case .float8e8m0: saturates && rounding == .up
        case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz: saturates
        default: true
        }
    }

    func cast(_ input: Tensor, to target: ElementType) throws -> Tensor {
        if isDefault(for: target) { return try evaluatePointwise(.cast(target, .input(0)), [input]) }
        let type = TensorType(target, input.shape)
        let values = try input.doubles()
        return Tensor(type) { bytes in
            for (index, value) in values.enumerated() { bytes[index] = encode(value, target) }
        }
    }

    private func encode(_ value: Double, _ target: ElementType) -> UInt8 {
        let code =
            switch target {
            case .float8e4m3fn: SmallFloat.float8e4m3fn.encode(value, saturate: saturates)
            case .float8e4m3fnuz: SmallFloat.float8e4m3fnuz.encode(value, saturate: saturates)
            case .float8e5m2: SmallFloat.float8e5m2.encode(value, saturate: saturates)
            case .float8e5m2fnuz: SmallFloat.float8e5m2fnuz.encode(value, saturate: saturates)
            default: UInt32(PowerOfTwoScale.encode(value, rounding: rounding, saturate: saturates))
            }
        return UInt8(truncatingIfNeeded: code)
    }
}

/// The element type of an ONNX `TensorProto.DataType`.
///
/// - Throws: `ModelError` if there is none.
func elementType(code: Int) throws(ModelError) -> ElementType {
    guard let raw = Int32(exactly: code), let type = ElementType(rawValue: raw) else {
        throw ModelError(.invalidModel, "\(code) is no element type")
    }
    return type
}
