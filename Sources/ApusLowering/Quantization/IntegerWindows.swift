import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// Windows over channels-last bytes as the integer kernels walk them; rows of a matrix are pixels, with windows of one tap.
///
/// Three spatial axes everywhere: depth, height, width.
struct IntegerWindows {
    /// The input by batch, depth, height and width; the offset is that of its first pixel.
    var input: StridedView
    var inputExtents: [Int]
    /// The output by the same axes.
    var output: StridedView
    var outputExtents: [Int]
    var batch: Int
    var kernel = [1, 1, 1]
    var strides = [1, 1, 1]
    var dilations = [1, 1, 1]
    var pads = [0, 0, 0]
    /// Whether batch and depth number the products of a batch of matrices, each of a line of rows.
    var isBatch = false
    /// The matrices of weights between neighbours along batch and depth.
    var matrixSteps = [0, 0]

    /// The input from the first pixel on that a window touches, in the halo.
    var firstPixel: StridedView {
        var first = input
        first.offset -= zip(pads, input.pitches.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 }
        return first
    }

    /// `integer/convolution.cl`: a work-item computes a tile of neighbouring pixels by channels.
    ///
    /// - Parameters:
    ///   - panelAxis: the dimension of the panels, 1 or 2; the other one is that of the lines.
    ///   - lines: rows of pixels; a single one may hold those of all images.
    /// - Throws: `ModelError` with code `unsupported` if no kernel serves the types or an extent exceeds 32 bits.
    func workItemLaunch(
        _ problem: IntegerProblem,
        _ packed: IntegerProblem.Packed,
        _ tile: WorkItemTile,
        panelAxis: Int,
        lines: Int,
        _ epilogue: EpilogueSource,
        _ context: LoweringContext
    ) throws(ModelError) -> KernelLaunch {
        var defines = tile.shapeDefines
        defines.merge(try problem.defines(output.elementType)) { $1 }
        if IntegerProblem.usesVNNI(context) { defines["VNNI"] = "1" }
        defines.merge(epilogue.defines) { $1 }
        let tiles = ceilingDivision(outputExtents[2], tile.rows)
        let panels = problem.groups * ceilingDivision(problem.groupOutputs, tile.columns)
        var block = (tiles: 1, panels: 1)
        if problem.loopsOverTiles(context) {
            defines["TILE_LOOP"] = "1"
            block = problem.block(tile, tiles: tiles, panels: panels, lines: lines, context)
        }
        let sizes =
            [problem.groupInputs * problem.merged, problem.groupOutputs] + kernel + strides + dilations + matrixSteps
            + [panelAxis, panels, block.tiles, block.panels]
        var globalSize = [ceilingDivision(tiles, block.tiles), lines, lines]
        globalSize[panelAxis] = ceilingDivision(panels, block.panels)
        return KernelLaunch(
            program: KernelProgram(file: "integer/convolution.cl", defines: defines, generated: epilogue.generated),
            kernel: "integer_convolution",
            arguments: [firstPixel.argument(.read)] + (try intArguments(input.pitches)) + packed.arguments
                + [output.argument(.write)] + (try intArguments(output.pitches + outputExtents + sizes))
                + problem.operands.given.arguments + epilogue.arguments,
            globalSize: globalSize,
            localSize: [1, 1, 1]
        )
    }

    /// `integer/portable.cl`: a work-group computes a tile of pixels by channels, staged in local memory; the input needs
    /// no halo.
    ///
    /// - Throws: `ModelError` with code `unsupported` if no kernel serves the types or an extent exceeds 32 bits.
    func workGroupLaunch(
        _ problem: IntegerProblem,
        _ packed: IntegerProblem.Packed,
        _ tile: WorkGroupTile,
        _ epilogue: EpilogueSource
    ) throws(ModelError) -> KernelLaunch {
        var defines = tile.defines
        defines.merge(try problem.defines(output.elementType)) { $1 }
        defines.merge(epilogue.defines) { $1 }
        let sizes =
            [pixels, isBatch ? inputExtents[0] : 1, problem.groupInputs, problem.groupOutputs] + kernel + strides
            + dilations + matrixSteps + pads + [problem.operands.movedZeroPoint]
        let extents = isBatch ? [1, 1, outputExtents[2]] : outputExtents
        let panels = problem.groups * ceilingDivision(problem.groupOutputs, tile.columns)
        return KernelLaunch(
            program: KernelProgram(file: "integer/portable.cl", defines: defines, generated: epilogue.generated),
            kernel: "integer_portable",
            arguments: [input.argument(.read)] + (try intArguments(input.pitches + inputExtents)) + packed.arguments
                + [output.argument(.write)] + (try intArguments(output.pitches + extents + sizes))
                + problem.operands.given.arguments + epilogue.arguments,
            globalSize: [
                panels * tile.groupColumns, ceilingDivision(pixels, tile.rows) * tile.groupRows,
                isBatch ? batch * inputExtents[0] : 1,
            ],
            localSize: [tile.groupColumns, tile.groupRows, 1]
        )
    }

    /// The tile of work-groups for the device.
    func workGroupTile(_ problem: IntegerProblem, _ context: LoweringContext) -> WorkGroupTile {
        WorkGroupTile.best(
            rows: pixels,
            columns: problem.groupOutputs,
            batch: problem.groups * (isBatch ? batch * inputExtents[0] : 1),
            device: context.device
        )
    }

    /// The pixels that tiles of a work-group cover: those of all images, or the rows of one matrix.
    private var pixels: Int { isBatch ? outputExtents[2] : batch * outputExtents.reduce(1, *) }
}

extension LoweringContext {
    /// The family of integer kernels that serves an operator.
    func integerModel(_ call: OperatorCall) -> ExecutionModel {
        executionModel(call.node.displayType, workItem: "integer/convolution.cl", workGroup: "integer/portable.cl")
    }
}

/// A generated kernel that makes quantized values of int32 sums.
///
/// - Parameters:
///   - parameters: the scales of both operands and of the result, and its zero point.
///   - shape: the extents of the result; each parameter is a single element or broadcasts to it from the right.
///   - order: the axes, outermost first in the memory of the result.
/// - Throws: `ModelError` as `pointwiseLaunches` does.
func requantizationLaunches(
    _ sums: StridedView,
    _ parameters: [(operand: Operand, shape: [Int])],
    _ output: StridedView,
    shape: [Int],
    order: [Int],
    _ context: LoweringContext
) throws(ModelError) -> [KernelLaunch] {
    let views = parameters.map { operand, own in
        var view = operand.view
        let pitches = contiguousStrides(own)
        let missing = shape.count - own.count
        view.pitches = shape.indices.map { axis in
            axis < missing || operand.type.elementCount == 1 || own[axis - missing] == 1 ? 0 : pitches[axis - missing]
        }
        return view
    }
    return try pointwiseLaunches(
        .quantizedProduct(to: output.elementType),
        inputs: [sums] + views,
        output: output,
        shape: shape,
        order: order,
        context
    )
}
