import ApusDevice
package import ApusGraph
package import ApusTensor

/// The kernel calls that evaluate a formula over every element of a region.
///
/// The program depends on the formula, the element types, the rank, and on how each operand moves along the innermost
/// axis; never on sizes.
///
/// - Parameters:
///   - expression: operand n is `inputs[n]`.
///   - inputs: pitches by axis of the shape; 0 repeats.
///   - shape: the extents of the region.
///   - order: the axes, outermost first in the output's memory.
///   - raw: whether elements are only moved, so that no conversion touches their bits.
/// - Returns: no launch for an empty region.
/// - Throws: `ModelError` with code `unsupported`, where a type or an operation has no form in OpenCL C.
package func pointwiseLaunches(
    _ expression: PointwiseExpression,
    inputs: [StridedView],
    output: StridedView,
    shape: [Int],
    order: [Int],
    raw: Bool = false,
    _ context: LoweringContext
) throws(ModelError) -> [KernelLaunch] {
    if shape.contains(0) { return [] }
    let pitches = (inputs + [output]).map(\.pitches)
    let space = IterationSpace.keepingInnermost(shape: shape, order: order, pitches: pitches)
        .padded(toRank: shape.count)
    let kernel = try PointwiseKernel(
        expression,
        inputs: inputs.map(\.elementType),
        output: output.elementType,
        space: space,
        raw: raw,
        device: context.device
    )
    let text = try kernel.text()
    if text.contains("double"), !context.device.supportsDouble {
        throw ModelError(.unsupported, "the device has no float64")
    }
    let split = WorkSplit(
        rows: space.rowCount,
        innerExtent: space.innerExtent,
        lanes: kernel.lanes,
        weight: 1 + expression.operationCount,
        device: context.device
    )
    return [
        KernelLaunch(
            program: KernelProgram(generated: text),
            kernel: "pointwise",
            arguments: inputs.map { $0.argument(.read) } + [output.argument(.write)]
                + (try space.arguments()) + (try split.arguments()),
            globalSize: split.globalSize,
            localSize: split.localSize
        )
    ]
}

/// The text of a kernel that evaluates one formula.
struct PointwiseKernel {
    let expression: PointwiseExpression
    /// The formula without a cast that storing the result does anyway.
    private let formula: PointwiseExpression
    let inputs: [KernelScalar]
    let output: KernelScalar
    /// How each operand moves along the innermost axis, the output last.
    let steps: [InnerStep]
    let rank: Int
    /// The lanes of the widest form in the text; 1 where only the scalar form exists.
    let lanes: Int

    init(
        _ expression: PointwiseExpression,
        inputs: [ElementType],
        output: ElementType,
        space: IterationSpace,
        raw: Bool,
        device: DeviceInfo
    ) throws(ModelError) {
        var scalar = try KernelScalar(output, raw: raw)
        scalar.usesInstructions = ElementStorage.bfloat16.hasInstructions(device)
        self.expression = expression
        var formula = expression
        if case .cast(output, let operand) = expression, [.float16, .bfloat16].contains(output),
            try operand.resultType(inputs) == .float32
        {
            // Storing rounds as the cast does; a cast alone keeps denormals.
            formula = operand
            if case .input = operand { scalar.usesInstructions = false }
        }
        self.formula = formula
        self.output = scalar
        var scalars: [KernelScalar] = []
        for type in inputs { scalars.append(try KernelScalar(type, raw: raw)) }
        self.inputs = scalars
        let steps = (0...inputs.count).map { space.innerStep($0) }
        self.steps = steps
        rank = space.extents.count
        let isStrided = device.executionModel == .workGroupTile ? steps.contains(.strided) : steps.last == .strided
        if try ExpressionPrinter.isScalarOnly(expression, inputs) || isStrided || steps.last == .broadcast {
            lanes = 1
        } else {
            let widest = (scalars + [self.output]).contains { $0.is64Bit }
            let width = device.executionModel == .workGroupTile ? 4 : max(4, min(16, device.vectorWidth))
            lanes = widest ? max(2, width / 2) : width
        }
    }

    func text() throws(ModelError) -> String {
        var helpers = Set<String>()
        let scalar = try body(lanes: 1, &helpers)
        let vector = lanes == 1 ? "" : try body(lanes: lanes, &helpers)
        let kernel = signature + decoding + loops(vector: vector, scalar: scalar) + advance
        let double =
            (helpers.joined() + kernel).contains("double")
            ? "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n" : ""
        return "#pragma OPENCL FP_CONTRACT OFF\n" + double + KernelScalar.storeMacro + helpers.sorted().joined()
            + kernel
    }

    private var outputIndex: Int { inputs.count }
    private var innerAxis: Int { rank - 1 }

    private var signature: String {
        var parameters = inputs.enumerated().map { "__global const \($1.storage) *b\($0), long o\($0)" }
        parameters.append("__global \(output.storage) *b\(outputIndex), long o\(outputIndex)")
        parameters += (0..<rank).map { "int n\($0)" }
        for operand in 0...outputIndex { parameters += (0..<rank).map { "int p\(operand)_\($0)" } }
        parameters += ["int segment", "int segments", "int units", "int units_per_item"]
        return "__kernel void pointwise(" + parameters.joined(separator: ", ") + ") {\n"
    }

    private var decoding: String {
        var text = """
            int unit = (int)get_global_id(0) * units_per_item;
            const int end = min(unit + units_per_item, units);
            int s = unit % segments;

            """
        if rank > 1 { text += "int row = unit / segments;\n" }
        for axis in (0..<innerAxis).reversed() {
            text += axis == 0 ? "int i0 = row;\n" : "int i\(axis) = row % n\(axis); row /= n\(axis);\n"
        }
        text += "for (; unit < end; ++unit) {\n"
        text += "const int stop = min((s + 1) * segment, n\(innerAxis));\n"
        for operand in 0...outputIndex {
            let base = (0..<innerAxis).map { " + (long)i\($0) * p\(operand)_\($0)" }.joined()
            let isOutput = operand == outputIndex
            let type = isOutput ? "__global \(output.storage)" : "__global const \(inputs[operand].storage)"
            text += "\(type) *q\(operand) = b\(operand) + o\(operand)\(base);\n"
        }
        for operand in inputs.indices where steps[operand] == .broadcast {
            let type = inputs[operand]
            text += "const \(type.compute) x\(operand)_s = \(type.load("q\(operand)", "0"));\n"
            if lanes > 1 {
                text += "const \(type.compute)\(lanes) x\(operand)_v = \(type.splat("x\(operand)_s", lanes: lanes));\n"
            }
        }
        return text
    }

    private func loops(vector: String, scalar: String) -> String {
        var text = "int i = s * segment;\n"
        if lanes > 1 { text += "for (; i + \(lanes) <= stop; i += \(lanes)) {\n\(vector)}\n" }
        return text + "for (; i < stop; ++i) {\n\(scalar)}\n"
    }

    private var advance: String {
        var carry = ""
        for axis in (0..<innerAxis) {
            carry = axis == 0 ? "++i0;" : "if (++i\(axis) == n\(axis)) { i\(axis) = 0; \(carry) }"
        }
        return "if (++s == segments) { s = 0; \(carry) }\n}\n}\n"
    }

    private func body(lanes: Int, _ helpers: inout Set<String>) throws(ModelError) -> String {
        let suffix = lanes == 1 ? "" : "\(lanes)"
        var text = ""
        for (operand, type) in inputs.enumerated() {
            let (pointer, step) = ("q\(operand)", "p\(operand)_\(innerAxis)")
            let value: String
            switch (steps[operand], lanes) {
            case (.broadcast, 1): value = "x\(operand)_s"
            case (.broadcast, _): value = "x\(operand)_v"
            case (.contiguous, 1): value = type.load(pointer, "i")
            case (.contiguous, _): value = type.load(pointer, "i", lanes: lanes)
            case (.strided, 1): value = type.load(pointer, "(long)i * \(step)")
            case (.strided, _): value = type.gather(pointer, "i", step: step, lanes: lanes)
            }
            text += "const \(type.compute)\(suffix) x\(operand) = \(value);\n"
        }
        var printer = ExpressionPrinter(
            form: lanes == 1 ? .scalar : .vector(lanes),
            inputs: inputs.enumerated().map { ExpressionPrinter.Value(text: "x\($0)", type: $1) }
        )
        let result = try printer.print(formula, as: output.elementType)
        guard result.type.elementType == output.elementType || formula != expression else {
            throw ModelError(
                .invalidModel,
                "a formula of type \(result.type.elementType) is stored as \(output.elementType)"
            )
        }
        helpers.formUnion(printer.helpers)
        text += printer.statements.map { $0 + "\n" }.joined()
        let pointer = "q\(outputIndex)"
        switch steps[outputIndex] {
        case .contiguous: text += output.store(result.text, pointer, "i", lanes: lanes)
        case .strided, .broadcast:
            text += output.store(result.text, pointer, "(long)i * p\(outputIndex)_\(innerAxis)", lanes: lanes)
        }
        return text + "\n"
    }
}
