import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// The operands of an integer product by their meaning.
struct IntegerOperands {
    let input: Operand
    let weights: Operand
    /// The multiplier of the sums; `nil` where the sums themselves are the result.
    let multiplier: Operand?
    let bias: Operand?
    let zeroPoint: Operand?
    let weightZeroPoint: Operand?
    /// What multipliers are multiplied by, where it arrives during the run.
    let scale: Operand?

    init(_ call: OperatorCall) throws(ModelError) {
        func optional(_ index: Int?) -> Operand? {
            index.flatMap { $0 < call.anchorInputs.count ? call.inputs[$0] : nil }
        }
        input = try call.input(0)
        switch call.anchor {
        case is QuantizedConv, is QuantizedMatMul:
            weights = try call.input(1)
            (multiplier, bias) = (optional(2), optional(3))
            (zeroPoint, weightZeroPoint, scale) = (optional(4), optional(5), optional(6))
        case is QLinearConv, is QLinearMatMul:
            weights = try call.input(3)
            (multiplier, bias) = (nil, optional(8))
            (zeroPoint, weightZeroPoint, scale) = (optional(2), optional(5), nil)
        default:
            weights = try call.input(1)
            (multiplier, bias) = (nil, nil)
            (zeroPoint, weightZeroPoint, scale) = (optional(2), optional(3), nil)
        }
    }

    var isInputSigned: Bool { input.type.elementType == .int8 }
    var areWeightsSigned: Bool { weights.type.elementType == .int8 }

    /// The zero point of the input, 0 where it is left out; `nil` where it is not known.
    var knownZeroPoint: Int? {
        guard let zeroPoint else { return 0 }
        return zeroPoint.value.flatMap { try? $0.integers().first }
    }

    /// The zero point of inputs moved to unsigned bytes; 0 where it is not known.
    var movedZeroPoint: Int { knownZeroPoint.map { isInputSigned ? $0 + 128 : $0 } ?? 0 }

    /// The defines and arguments of `GIVEN_OPERANDS` in `microkernel/bytes.cl`: what arrives during the run.
    var given: (defines: [String: String], arguments: [KernelArgument]) {
        var result: (defines: [String: String], arguments: [KernelArgument]) = ([:], [])
        if knownZeroPoint == nil, let zeroPoint {
            result.defines["X_ZERO_GIVEN"] = "1"
            result.arguments.append(zeroPoint.argument())
        }
        if let scale {
            result.defines["SCALE_GIVEN"] = "1"
            result.arguments.append(scale.argument())
        }
        return result
    }

    /// What packing adds to the weights, and so to their zero points.
    var weightMove: Int { areWeightsSigned ? 0 : -128 }

    /// Whether packed weights have zero points other than 0.
    var hasWeightZeros: Bool {
        guard let weightZeroPoint else { return weightMove != 0 }
        guard let values = weightZeroPoint.value.flatMap({ try? $0.integers() }) else { return true }
        return values.contains { $0 + weightMove != 0 }
    }

    /// The defines that say which of the operands are given, for the packing kernels.
    var packDefines: [String: String] {
        var defines: [String: String] = [:]
        if !areWeightsSigned { defines["W_UNSIGNED"] = "1" }
        if bias != nil { defines["HAS_BIAS"] = "1" }
        if multiplier != nil { defines["HAS_MULTIPLIER"] = "1" }
        if weightZeroPoint != nil { defines["HAS_W_ZERO"] = "1" }
        if knownZeroPoint == nil { defines["X_ZERO_GIVEN"] = "1" }
        return defines
    }

    /// The arguments that follow those defines.
    var packArguments: [KernelArgument] {
        var arguments: [KernelArgument] = []
        if let bias { arguments.append(bias.argument()) }
        for operand in [multiplier, weightZeroPoint].compactMap({ $0 }) {
            arguments += [operand.argument(), .int(operand.type.elementCount == 1 ? 0 : 1)]
        }
        return arguments
    }

    /// The formula of the call, where instructions that saturate compute it.
    ///
    /// Sums times multipliers must stay below 2^30, as they do for multipliers below 0.5.
    func requantization(_ call: OperatorCall, _ context: LoweringContext) -> Requantization? {
        guard IntegerProblem.usesVNNI(context), scale == nil, let output = call.outputs.first ?? nil,
            let formula = call.epilogue?.expression,
            let requantization = Requantization(formula, to: output.type.elementType), requantization.isBounded,
            let factors = multiplier?.value.flatMap({ try? $0.floats() }), factors.allSatisfy({ abs($0) < 0.5 })
        else { return nil }
        return requantization
    }

    /// The type that results are stored as.
    ///
    /// - Throws: `ModelError` with code `unsupported` if no kernel stores it.
    static func outputDefines(_ type: ElementType, isScaled: Bool) throws(ModelError) -> [String: String] {
        switch type {
        case .int8 where isScaled: return ["OUTPUT": "char", "OUTPUT_SIGNED": "1"]
        case .uint8 where isScaled: return ["OUTPUT": "uchar"]
        case .float32 where isScaled: return ["OUTPUT": "float", "OUTPUT_FLOAT": "1"]
        case .int32 where !isScaled: return ["OUTPUT": "int", "SUMS_ONLY": "1"]
        default: throw ModelError(.unsupported, "no integer kernel stores \(type)")
        }
    }
}
