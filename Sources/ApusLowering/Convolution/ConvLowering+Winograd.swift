import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

extension ConvLowering {
    /// `convolution/winograd.cl`: a work-item transforms a block of tiles, multiplies them with panels of weights and
    /// transforms the products back.
    static func lowerWinograd(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ tile: WinogradTile,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let (input, output) = (problem.input, problem.output)
        let (inputs, outputs) = (problem.groupInputs, problem.groupOutputs)
        let panels = ceilingDivision(outputs, tile.register.columns)
        let packedElements = panels * tile.positions * inputs * tile.register.columns
        let storage = problem.storage.defines(context.device)
        var packDefines = ["TILE": String(tile.outputs), "VECTOR": String(tile.register.vectorWidth)]
        packDefines.merge(storage) { $1 }
        let pack = KernelLaunch(
            program: KernelProgram(file: "convolution/winograd_weights.cl", defines: packDefines),
            kernel: "winograd_weights",
            arguments: [
                problem.weights.argument(),
                .tensor(.scratch(0), offset: 0, elementBytes: 4, access: .write),
                .int(inputs), .int(outputs), .int(tile.register.columns),
            ],
            globalSize: [inputs, panels],
            localSize: [1, 1],
            sourceSlices: SourceSlices(dimension: 1, elementsPerIndex: tile.register.columns * inputs * 9)
        )
        let tiles = tile.tiles(problem.geometry.output)
        let rows = output.batch * tiles[0] * tiles[1]
        let blocks = ceilingDivision(rows, tile.rows)
        let panelCount = WinogradEstimate(problem, context.device).cost(tile, batch: output.batch).panelCount
        let epilogue = try EpilogueSource(
            call,
            bias: problem.bias,
            isPadded: output.isPadded(to: tile.register.vectorWidth)
        )
        var program = KernelProgram(
            file: "convolution/winograd.cl",
            defines: tile.register.defines(context.device),
            generated: epilogue.generated
        )
        program.defines.merge(["TILE": String(tile.outputs), "CHUNKS": String(tile.chunks)]) { $1 }
        program.defines.merge(epilogue.defines) { $1 }
        program.defines.merge(storage) { $1 }
        // Weights that are read once come from memory, and the processor's own prefetch is too short for them.
        let blocksPerImage = ceilingDivision(tiles[0] * tiles[1], tile.rows)
        if context.device.isPocl, blocksPerImage <= 2, packedElements * 4 > 1 << 20 {
            program.defines["PREFETCH"] = "1024"
        }
        var arguments: [KernelArgument] = [input.operand.argument()]
        arguments += ([input.pitches[0]] + input.pitches[2...] + input.extents[1...]).map { .int($0) }
        arguments += [.tensor(.scratch(0), offset: 0, elementBytes: 4, access: .read), output.operand.argument(.write)]
        arguments += ([output.pitches[0]] + output.pitches[2...] + output.extents[1...]).map { .int($0) }
        arguments += ([rows] + tiles + [inputs, outputs] + problem.geometry.padsBegin + [panelCount]).map { .int($0) }
        arguments += [.local(tile.localBytes(inputs: inputs)), .int(WinogradTile.pitch(inputs: inputs))]
        arguments += epilogue.arguments
        let launch = KernelLaunch(
            program: program,
            kernel: "convolution_winograd",
            arguments: arguments,
            globalSize: [1, ceilingDivision(panels, panelCount), blocks],
            localSize: [1, 1, 1]
        )
        return LoweredNode(
            launches: [pack, launch],
            scratchBytes: [packedElements * 4],
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }
}
