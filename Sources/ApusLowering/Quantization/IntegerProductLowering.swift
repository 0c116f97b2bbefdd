import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `apus.QuantizedMatMul`, and `MatMulInteger` by a single matrix: rows of the left operand as pixels of a convolution.
enum IntegerProductLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(inputs: call.inputs.map { _ in .canonical }, outputs: [.canonical])
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let operands = try IntegerOperands(call)
        let output = try call.output(0)
        let shape = output.type.shape
        let transposesB = (call.anchor as? QuantizedMatMul)?.transposesB ?? false
        let right = operands.weights.type.shape
        guard right.count == 2, shape.count >= 1, operands.input.type.rank >= 1 else {
            throw ModelError(.unsupported, "no integer kernel for a batch of right operands or for vectors")
        }
        guard (operands.zeroPoint?.type.elementCount ?? 1) == 1 else {
            throw ModelError(.unsupported, "no integer kernel for a zero point a row")
        }
        let depth = right[transposesB ? 1 : 0]
        let columns = right[transposesB ? 0 : 1]
        let rows = shape.dropLast().reduce(1, *)
        guard depth > 0 else { throw ModelError(.unsupported, "no integer kernel for an empty sum") }
        let integer = IntegerProblem(
            operands: operands,
            groups: 1,
            groupInputs: depth,
            groupOutputs: columns,
            taps: 1,
            merged: 1,
            pitches: transposesB ? [depth, 1, 0] : [1, columns, 0]
        )
        // Rows are a batch: few rows must not pay for a tall tile, and a first batch above 1 must build no program.
        var tile = integer.tile(rows: 4, context)
        tile.rows = min(tile.rows, rows)
        let packed = integer.pack(tile)
        let coordinates = EpilogueSource.Coordinates(
            outer: [[], [], [], Array(0..<shape.count - 1)],
            channel: shape.count - 1
        )
        let epilogue = try EpilogueSource(call, operands, coordinates: coordinates, context)
        var arguments: [KernelArgument] = [operands.input.argument()]
        arguments += [0, 0, 0, depth].map { .int($0) } + IntegerProblem.packedArguments
        arguments += [output.argument(.write)] + [0, 0, 0, columns, 1, 1, rows, depth, columns].map { .int($0) }
        arguments += [1, 1, 1, 1, 1, 1, 1, 1, 1, 2].map { .int($0) } + epilogue.arguments
        var defines = try integer.defines(tile, output: output, context)
        defines.merge(epilogue.defines) { $1 }
        let launch = KernelLaunch(
            program: KernelProgram(file: "integer/convolution.cl", defines: defines, generated: epilogue.generated),
            kernel: "integer_convolution",
            arguments: arguments,
            globalSize: [ceilingDivision(rows, tile.rows), 1, ceilingDivision(columns, tile.columns)],
            localSize: [1, 1, 1]
        )
        return LoweredNode(
            launches: packed.launches + [launch],
            scratchBytes: packed.scratchBytes,
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }
}
