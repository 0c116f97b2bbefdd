import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `apus.QuantizedGlobalAveragePool` on channels-last bytes.
enum IntegerPoolingLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(
            inputs: [.channelsLast] + call.anchorInputs.dropFirst().map { _ in .canonical }
                + EpilogueSource.layoutRequests(call),
            outputs: [.channelsLast]
        )
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let operand = try call.input(0)
        let input = try SpatialOperand(operand)
        let output = try call.output(0)
        guard let multiplier = try call.input(1).value else {
            throw ModelError(.unsupported, "the multiplier is not known before the run")
        }
        let count = operand.type.shape.dropFirst(2).reduce(1, *)
        let factor = try QuantizedGlobalAveragePool.factor(multiplier, count: count)
        var zeroPoint = 0
        if call.anchorInputs.count > 2, let given = call.inputs[2] {
            guard let value = given.value.flatMap({ try? $0.integers().first }) else {
                throw ModelError(.unsupported, "the zero point is not known before the run")
            }
            zeroPoint = value
        }
        guard operand.layout.pitches[1] == 1, output.layout.pitches[1] == 1 else {
            throw ModelError(.unsupported, "no integer pooling kernel in this layout")
        }
        let space = IterationSpace(
            shape: operand.type.shape,
            order: Array(2..<operand.type.rank),
            pitches: [operand.layout.pitches]
        )
        guard space.extents.count <= 2 else {
            throw ModelError(.unsupported, "no integer pooling kernel for three axes that cannot be merged")
        }
        let width = context.device.vectorWidth
        let epilogue = try EpilogueSource(call, bytes: true)
        var defines = ["VECTOR": String(width), "INPUT": operand.type.elementType == .int8 ? "char" : "uchar"]
        defines.merge(try IntegerOperands.outputDefines(output.type.elementType, isScaled: true)) { $1 }
        defines.merge(epilogue.defines) { $1 }
        let isPlane = space.extents.count == 2
        let sizes = [
            input.channels, isPlane ? space.extents[0] : 1, space.innerExtent, zeroPoint,
        ]
        var arguments: [KernelArgument] = [operand.argument()]
        arguments += [input.pitches[0], isPlane ? space.pitches[0][0] : 0, space.pitches[0].last ?? 0].map { .int($0) }
        arguments += [.float(factor), output.argument(.write), .int(output.layout.pitches[0])]
        arguments += sizes.map { .int($0) } + epilogue.arguments
        let launch = KernelLaunch(
            program: KernelProgram(file: "integer/pooling.cl", defines: defines, generated: epilogue.generated),
            kernel: "integer_global_sum",
            arguments: arguments,
            globalSize: [ceilingDivision(input.channels, width), input.batch],
            localSize: [1, 1]
        )
        return LoweredNode(launches: [launch], inPlaceInputs: epilogue.inPlaceInputs)
    }
}
