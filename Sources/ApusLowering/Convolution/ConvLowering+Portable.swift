import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

extension ConvLowering {
    /// `convolution/portable.cl`: a work-group computes a tile of pixels by channels, staged in local memory.
    static func lowerPortable(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let (input, output) = (problem.input, problem.output)
        let pixels = output.batch * output.extents.reduce(1, *)
        let tile = WorkGroupTile.best(
            rows: pixels,
            columns: problem.groupOutputs,
            batch: problem.conv.group,
            device: context.device
        )
        let items = problem.conv.group * ceilingDivision(problem.groupOutputs, tile.columns)
        let depth = problem.taps * problem.groupInputs
        let bytes = problem.storage.elementBytes
        let moved = bytes == 4 ? [:] : ["ELEMENT": "ushort", "PACKED": "ushort"]
        let pack = packLaunch(problem, moved, elementBytes: bytes, panelWidth: tile.columns, items: items)
        let epilogue = try EpilogueSource(call, bias: problem.bias)
        var program = KernelProgram(
            file: "convolution/portable.cl",
            defines: tile.defines,
            generated: epilogue.generated
        )
        program.defines.merge(epilogue.defines) { $1 }
        program.defines.merge(problem.storage.defines(context.device)) { $1 }
        var arguments: [KernelArgument] = [input.operand.argument()]
        arguments += (input.pitches + input.extents).map { .int($0) }
        arguments += [
            .tensor(.scratch(0), offset: 0, elementBytes: bytes, access: .read), output.operand.argument(.write),
        ]
        arguments += (output.pitches + output.extents).map { .int($0) }
        arguments += [.int(pixels), .int(problem.groupInputs), .int(problem.groupOutputs)]
        arguments += (problem.kernel3 + problem.strides3 + problem.dilations3).map { .int($0) }
        arguments += SpatialOperand.filled(problem.geometry.padsBegin, with: 0).map { .int($0) }
        arguments += epilogue.arguments
        let launch = KernelLaunch(
            program: program,
            kernel: "convolution_portable",
            arguments: arguments,
            globalSize: [items * tile.groupColumns, ceilingDivision(pixels, tile.rows) * tile.groupRows],
            localSize: [tile.groupColumns, tile.groupRows]
        )
        return LoweredNode(
            launches: [pack, launch],
            scratchBytes: [items * depth * tile.columns * bytes],
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }

    /// `convolution/pack.cl` into scratch 0.
    ///
    /// - Parameter elementBytes: of one packed weight.
    static func packLaunch(
        _ problem: ConvolutionProblem,
        _ defines: [String: String],
        elementBytes: Int,
        panelWidth: Int,
        items: Int
    ) -> KernelLaunch {
        KernelLaunch(
            program: KernelProgram(file: "convolution/pack.cl", defines: defines),
            kernel: "convolution_pack",
            arguments: [
                problem.weights.argument(),
                .tensor(.scratch(0), offset: 0, elementBytes: elementBytes, access: .write),
                .int(problem.groupInputs), .int(problem.groupOutputs), .int(problem.taps), .int(panelWidth),
            ],
            globalSize: [problem.taps * problem.groupInputs, items],
            localSize: nil,
            sourceSlices: problem.conv.group > 1
                ? nil
                : SourceSlices(dimension: 1, elementsPerIndex: panelWidth * problem.groupInputs * problem.taps)
        )
    }
}
