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

    init(_ call: OperatorCall) throws(ModelError) {
        func optional(_ index: Int) -> Operand? {
            index < call.anchorInputs.count ? call.inputs[index] : nil
        }
        input = try call.input(0)
        weights = try call.input(1)
        let isScaled = call.anchor is QuantizedConv || call.anchor is QuantizedMatMul
        multiplier = isScaled ? optional(2) : nil
        bias = isScaled ? optional(3) : nil
        zeroPoint = optional(isScaled ? 4 : 2)
        weightZeroPoint = optional(isScaled ? 5 : 3)
    }

    var isInputSigned: Bool { input.type.elementType == .int8 }
    var areWeightsSigned: Bool { weights.type.elementType == .int8 }

    /// The zero point of the input, 0 where it is left out; `nil` where it is not known.
    var knownZeroPoint: Int? {
        guard let zeroPoint else { return 0 }
        return zeroPoint.value.flatMap { try? $0.integers().first }
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

    /// The defines and arguments where sums of the call are only quantized again, by instructions that saturate.
    ///
    /// The results must stay below 2^31, as they do for multipliers below 0.5.
    func requantization(
        _ call: OperatorCall,
        _ context: LoweringContext
    ) -> (defines: [String: String], arguments: [KernelArgument])? {
        guard IntegerProblem.usesVNNI(context), let output = call.outputs.first ?? nil,
            let zeroPoint = call.epilogue?.expression.requantizationZeroPoint(output.type.elementType),
            let factors = multiplier?.value.flatMap({ try? $0.floats() }), factors.allSatisfy({ abs($0) < 0.5 })
        else { return nil }
        return (["REQUANTIZE": "1"], [.int(zeroPoint)])
    }

    /// The type that results are stored as.
    ///
    /// - Throws: `ModelError` with code `unsupported` if no kernel stores it.
    static func outputDefines(_ output: Operand, isScaled: Bool) throws(ModelError) -> [String: String] {
        switch output.type.elementType {
        case .int8 where isScaled: return ["OUTPUT": "char", "OUTPUT_SIGNED": "1"]
        case .uint8 where isScaled: return ["OUTPUT": "uchar"]
        case .float32 where isScaled: return ["OUTPUT": "float", "OUTPUT_FLOAT": "1"]
        case .int32 where !isScaled: return ["OUTPUT": "int", "SUMS_ONLY": "1"]
        default: throw ModelError(.unsupported, "no integer kernel stores \(output.type.elementType)")
        }
    }
}

/// A group of products of bytes as `integer/convolution.cl` computes it.
struct IntegerProblem {
    var operands: IntegerOperands
    var groups: Int
    var groupInputs: Int
    var groupOutputs: Int
    /// The taps of the window, and how many neighbouring ones are packed as further inputs.
    var taps: Int
    var merged: Int
    /// Elements between outputs, inputs and taps of the weights.
    var pitches: [Int]

    private var quads: Int { ceilingDivision(merged * groupInputs, 4) }
    private var rows: Int { taps / merged * quads }

    /// Whether the device's compiler takes the dot products of AVX-512 VNNI.
    static func usesVNNI(_ context: LoweringContext) -> Bool {
        let device = context.device
        return device.isPocl && device.vectorWidth == 16 && device.instructionSets.contains(.avx512vnni)
            && !context.tuning.refusedVariants.contains("integer-vnni")
    }

    /// The register tile for rows of pixels; one more sum a row is kept for zero points of the weights.
    func tile(rows: Int, _ context: LoweringContext) -> WorkItemTile {
        var tile = WorkItemTile.best(rows: rows, columns: groupOutputs, vectorWidth: context.device.vectorWidth)
        let vectors = tile.columns / tile.vectorWidth
        if operands.hasWeightZeros { tile.rows = max(1, min(tile.rows, 24 / (vectors + 1))) }
        return tile
    }

    /// Packs the weights into scratch 0 and the parameters of the channels into scratch 1.
    func pack(_ tile: WorkItemTile) -> (launches: [KernelLaunch], scratchBytes: [Int]) {
        let items = groups * ceilingDivision(groupOutputs, tile.columns)
        var defines: [String: String] = operands.areWeightsSigned ? [:] : ["W_UNSIGNED": "1"]
        let weights = KernelLaunch(
            program: KernelProgram(file: "integer/pack.cl", defines: defines),
            kernel: "integer_pack",
            arguments: [
                operands.weights.argument(), .tensor(.scratch(0), offset: 0, elementBytes: 1, access: .write),
            ] + ([groupInputs, groupOutputs] + pitches + [merged, tile.columns]).map { .int($0) },
            globalSize: [rows, items],
            localSize: nil
        )
        defines = operands.packDefines
        let known = operands.knownZeroPoint
        var zeroPoint = known.map { operands.isInputSigned ? $0 + 128 : $0 } ?? 0
        var given: [KernelArgument] = []
        if known == nil, let operand = operands.zeroPoint {
            defines["X_ZERO_GIVEN"] = "1"
            zeroPoint = operands.isInputSigned ? 128 : 0
            given = [operand.argument()]
        }
        var arguments: [KernelArgument] = [
            .tensor(.scratch(0), offset: 0, elementBytes: 1, access: .read),
            .tensor(.scratch(1), offset: 0, elementBytes: 4, access: .write),
        ]
        arguments += [groupOutputs, tile.columns, rows, taps * groupInputs, zeroPoint, operands.weightMove].map {
            .int($0)
        }
        let parameters = KernelLaunch(
            program: KernelProgram(file: "integer/pack.cl", defines: defines),
            kernel: "integer_parameters",
            arguments: arguments + given + operands.packArguments,
            globalSize: [items * tile.columns],
            localSize: nil
        )
        return ([weights, parameters], [items * rows * tile.columns * 4, items * 3 * tile.columns * 4])
    }

    /// The defines of `integer/convolution.cl` beside those of the epilogue.
    func defines(
        _ tile: WorkItemTile,
        output: Operand,
        _ context: LoweringContext
    ) throws(ModelError) -> [String: String] {
        var defines = tile.shapeDefines
        let isScaled = operands.multiplier != nil
        defines.merge(try IntegerOperands.outputDefines(output, isScaled: isScaled)) { $1 }
        if operands.isInputSigned { defines["X_SIGNED"] = "1" }
        if operands.hasWeightZeros { defines["W_ZERO"] = "1" }
        if Self.usesVNNI(context) { defines["VNNI"] = "1" }
        return defines
    }

    /// The packed weights and the parameters as arguments.
    static var packedArguments: [KernelArgument] {
        [
            .tensor(.scratch(0), offset: 0, elementBytes: 4, access: .read),
            .tensor(.scratch(1), offset: 0, elementBytes: 4, access: .read),
        ]
    }
}
