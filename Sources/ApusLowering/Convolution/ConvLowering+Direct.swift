import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

extension ConvLowering {
    /// `convolution/direct.cl`: a work-item computes a run of pixels by a panel of channels.
    ///
    /// - Parameter panelAxis: 2 keeps a panel of weights in cache over all rows, 1 a row of pixels over all panels; `nil`
    ///   for the one that moves fewer bytes.
    static func lowerDirect(
        _ call: OperatorCall,
        _ problem: ConvolutionProblem,
        _ direct: DirectConvolution,
        _ tile: WorkItemTile,
        panelAxis: Int?,
        scale: Operand? = nil,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let width = context.device.vectorWidth
        let (input, output) = (problem.input, problem.output)
        let (lines, outputExtents) = (direct.lines, direct.outputExtents)
        let panels = ceilingDivision(problem.groupOutputs, tile.columns)
        let items = problem.conv.group * panels
        let (pack, steps) = packWeights(
            problem,
            panelWidth: tile.columns,
            mergedColumns: direct.mergedColumns,
            context.device
        )
        let packedElements = items * steps * tile.columns
        let panelAxis = panelAxis ?? problem.cacheAxis(tile, lines: lines, packedBytes: packedElements * 4)
        let isPadded = problem.conv.group == 1 && output.isPadded(to: width)
        let epilogue = try EpilogueSource(call, bias: problem.bias, isPadded: isPadded)
        var program = KernelProgram(
            file: "convolution/direct.cl",
            defines: tile.defines(context.device, problem.storage),
            generated: epilogue.generated
        )
        program.defines.merge(epilogue.defines) { $1 }
        program.defines.merge(problem.storage.defines(context.device)) { $1 }
        var arguments: [KernelArgument] = [input.operand.argument(skipping: problem.windowOffset)]
        arguments += input.pitches.map { .int($0) }
        arguments += [.tensor(.scratch(0), offset: 0, elementBytes: 4, access: .read), output.operand.argument(.write)]
        arguments += output.pitches.map { .int($0) }
        arguments += outputExtents.map { .int($0) }
        arguments += [.int(direct.groupInputs), .int(problem.groupOutputs)]
        arguments += (direct.kernel + problem.strides3 + problem.dilations3).map { .int($0) }
        let tiles = ceilingDivision(outputExtents[2], tile.rows)
        let multiplies = problem.taps * problem.groupInputs * tile.rows * tile.columns / width
        var tilesPerItem = 1
        // Starting a work-item costs hundreds of products; where compilers allot the registers, the loop costs some too.
        let isLooped = multiplies < (problem.storage.hasInstructions(context.device) ? 16384 : 1024)
        if isLooped {
            program.defines["TILE_LOOP"] = "1"
            let mostForBalance = tiles * lines * items / (16 * context.device.computeUnits)
            tilesPerItem = max(1, min(32768 / max(multiplies, 1), tiles, mostForBalance))
        }
        // The tiles of a panel together ask for the whole next panel. Whether they do depends on one image alone, so that
        // another batch finds the program built; with rows in cache instead of panels they ask for one line over and over.
        let ahead = panelAxis == 2 ? ceilingDivision(4 * tile.columns, max(1, tiles * lines)) : 0
        if context.device.isPocl, packedElements * 4 > 512 << 10 {
            let linesOfImage = lines == 1 ? 1 : max(1, lines / max(1, output.batch))
            let tilesOfImage = linesOfImage * ceilingDivision(direct.rows, tile.rows)
            program.defines["PREFETCH"] = String(min(4, ceilingDivision(tile.columns, 4 * max(1, tilesOfImage))))
        }
        arguments += [.int(panelAxis), .int(tilesPerItem), .int(ahead)]
        if let scale {
            program.defines["INPUT_SCALE"] = "1"
            arguments += [scale.argument(), .int(scale.layout.pitches[0])]
        }
        arguments += epilogue.arguments
        var globalSize = [ceilingDivision(tiles, tilesPerItem), lines, lines]
        globalSize[panelAxis] = items
        let launch = KernelLaunch(
            program: program,
            kernel: "convolution_direct",
            arguments: arguments,
            globalSize: globalSize,
            localSize: [1, 1, 1]
        )
        return LoweredNode(
            launches: [pack, launch],
            scratchBytes: [packedElements * 4],
            inPlaceInputs: epilogue.inPlaceInputs
        )
    }

    /// The weights as the register tiles take them, in scratch buffer 0: floats, or pairs of bfloat16 where the device
    /// multiplies those.
    ///
    /// - Parameter mergedColumns: the kernel columns that count as inputs.
    /// - Returns: the call, and the steps of the K loop, each of `panelWidth` packed elements of 4 bytes a panel.
    static func packWeights(
        _ problem: ConvolutionProblem,
        panelWidth: Int,
        mergedColumns: Int,
        _ device: DeviceInfo
    ) -> (launch: KernelLaunch, steps: Int) {
        let usesPairs = problem.usesPairs(device)
        var launch = packLaunch(
            problem,
            usesPairs ? [:] : problem.storage.defines(device),
            elementBytes: 4,
            panelWidth: panelWidth,
            items: problem.conv.group * ceilingDivision(problem.groupOutputs, panelWidth)
        )
        guard usesPairs else { return (launch, problem.taps * problem.groupInputs) }
        let steps = problem.taps / mergedColumns * ceilingDivision(mergedColumns * problem.groupInputs, 2)
        launch.kernel = "convolution_pack_pairs"
        launch.arguments.append(.int(mergedColumns))
        launch.globalSize[0] = steps
        return (launch, steps)
    }
}

/// A convolution as `convolution/direct.cl` takes it: what is adjacent in memory is one axis.
struct DirectConvolution {
    var kernel: [Int]
    /// The kernel columns that count as inputs.
    var mergedColumns = 1
    var groupInputs: Int
    var outputExtents: [Int]
    /// Rows of output pixels.
    var lines: Int
    /// The pixels of such a row in one image.
    var rows: Int

    init(_ call: OperatorCall, _ problem: ConvolutionProblem) {
        let (input, output) = (problem.input, problem.output)
        kernel = problem.kernel3
        groupInputs = problem.groupInputs
        outputExtents = output.extents
        lines = output.batch * output.extents[0] * output.extents[1]
        let stridesAreOne = problem.strides3.allSatisfy { $0 == 1 }
        if problem.taps == 1, stridesAreOne, input.isSingleRow, output.isSingleRow,
            problem.geometry.padsBegin.allSatisfy({ $0 == 0 }), problem.haloAfter.allSatisfy({ $0 == 0 }),
            EpilogueSource.addressesSingleRow(call)
        {
            outputExtents = [1, 1, output.batch * output.extents.reduce(1, *)]
            lines = 1
        } else if problem.conv.group == 1, problem.dilations3[2] == 1, input.pitches[3] == groupInputs {
            mergedColumns = kernel[2]
            groupInputs *= mergedColumns
            kernel[2] = 1
        }
        rows = lines == 1 ? outputExtents[2] / max(output.batch, 1) : outputExtents[2]
    }
}
