import ApusDevice
import ApusGraph
import ApusTensor

/// Kernel calls with the scratch memory that they share.
struct ScratchLaunches {
    var launches: [KernelLaunch] = []
    /// The bytes of each scratch buffer.
    var scratchBytes: [Int] = []

    /// A dense scratch tensor.
    mutating func makeScratch(_ shape: [Int], _ elementType: ElementType = .float32) -> StridedView {
        scratchBytes.append(max(1, shape.reduce(1, *)) * elementType.bitWidth / 8)
        return StridedView(
            .scratch(scratchBytes.count - 1),
            elementType: elementType,
            pitches: contiguousStrides(shape)
        )
    }

    /// Appends the calls that merge the elements of some axes of a region.
    ///
    /// - Parameters:
    ///   - target: the results; pitches by axis of the shape, those of merged axes do not matter.
    ///   - order: the axes, outermost first in the source's memory.
    /// - Throws: `ModelError` with code `unsupported`, where no kernel computes the kind for the types.
    mutating func reduce(
        _ kind: ReductionKind,
        _ source: StridedView,
        into target: StridedView,
        shape: [Int],
        axes: Set<Int>,
        order: [Int],
        epsilon: Float = 0,
        _ context: LoweringContext
    ) throws(ModelError) {
        if shape.contains(0) { throw ModelError(.unsupported, "a reduction of an empty tensor") }
        let isInteger = try !KernelScalar(source.elementType).isFloat
        if isInteger, ![.sum, .mean, .maximum, .minimum, .product, .l1, .sumSquare].contains(kind) {
            throw ModelError(.unsupported, "the reduction of \(source.elementType) has no kernel")
        }
        let kept = IterationSpace(
            shape: shape,
            order: order.filter { !axes.contains($0) },
            pitches: [source.pitches, target.pitches]
        ).padded(toRank: shape.count - axes.count)
        let merged = IterationSpace(shape: shape, order: order.filter(axes.contains), pitches: [source.pitches])
        let isSplit = kind.stages != nil && source.elementType != .float64 && !isInteger
        let parts = !isSplit ? 1 : Self.parts(kept, merged, context.device)
        guard parts > 1, let stages = kind.stages else {
            launches.append(
                try Self.launch(
                    kind,
                    source,
                    target,
                    kept,
                    merged,
                    parts: 1,
                    count: merged.elementCount,
                    epsilon,
                    context
                )
            )
            return
        }
        let chunk = (merged.extents[0] + parts - 1) / parts
        let partCount = (merged.extents[0] + chunk - 1) / chunk
        let partial = makeScratch([partCount] + kept.extents)
        var firstKept = kept
        firstKept.replacePitches(1, Array(partial.pitches.dropFirst()))
        var view = partial
        view.pitches = [partial.pitches[0]]
        launches.append(
            try Self.launch(stages.first, source, view, firstKept, merged, parts: partCount, count: 1, 0, context)
        )
        var secondKept = kept
        secondKept.replacePitches(0, Array(partial.pitches.dropFirst()))
        let sums = IterationSpace(shape: [partCount], order: [0], pitches: [[partial.pitches[0]]])
        launches.append(
            try Self.launch(
                stages.second,
                partial,
                target,
                secondKept,
                sums,
                parts: 1,
                count: merged.elementCount,
                0,
                context
            )
        )
    }

    /// Into how many parts a long reduction with few results is cut.
    private static func parts(_ kept: IterationSpace, _ merged: IterationSpace, _ device: DeviceInfo) -> Int {
        let isTile = device.executionModel == .workItemTile
        let wanted = isTile ? 8 * device.computeUnits : 1 << 14
        let results = max(1, kept.elementCount / (isTile && kept.innerStep(0) == .contiguous ? 16 : 1))
        let smallest = isTile ? 8192 : 64
        guard results < wanted, merged.elementCount >= 2 * smallest else { return 1 }
        return max(1, min(wanted / results, merged.elementCount / smallest, merged.extents[0]))
    }

    private static func launch(
        _ kind: ReductionKind,
        _ source: StridedView,
        _ target: StridedView,
        _ kept: IterationSpace,
        _ merged: IterationSpace,
        parts: Int,
        count: Int,
        _ epsilon: Float,
        _ context: LoweringContext
    ) throws(ModelError) -> KernelLaunch {
        let device = context.device
        let input = try KernelScalar(source.elementType)
        if input.compute == "double", !device.supportsDouble {
            throw ModelError(.unsupported, "the device has no float64")
        }
        let chunk = (merged.extents[0] + parts - 1) / parts
        let isVector = input.compute == "float"
        let width = device.executionModel == .workGroupTile ? 4 : max(4, min(16, device.vectorWidth))
        let isColumnwise = isVector && kept.innerStep(0) == .contiguous && kept.innerExtent > 1
        let isRowwise = isVector && merged.innerStep(0) == .contiguous && !isColumnwise
        let lanes = isColumnwise || isRowwise ? width : 1
        let kernel = ReductionKernel(
            kind: kind,
            input: input,
            output: try KernelScalar(target.elementType),
            keptRank: kept.extents.count + 1,
            reducedRank: merged.extents.count,
            isColumnwise: isColumnwise,
            isRowwise: isRowwise,
            lanes: lanes,
            outputIsContiguous: kept.innerStep(1) == .contiguous
        )
        let split = WorkSplit(
            rows: parts * kept.rowCount,
            innerExtent: kept.innerExtent,
            lanes: isColumnwise ? lanes : 1,
            weight: 2 * merged.elementCount / parts,
            granularity: isColumnwise ? lanes : 1,
            device: device
        )
        let partPitch = parts > 1 ? target.pitches[0] : 0
        let sizes =
            [parts] + kept.extents + [chunk * merged.pitches[0][0]] + kept.pitches[0] + [partPitch]
            + kept.pitches[1] + merged.extents + merged.pitches[0] + [chunk]
        return KernelLaunch(
            program: KernelProgram(generated: try kernel.text()),
            kernel: "reduce",
            arguments: [source.argument(.read), target.argument(.write)] + (try intArguments(sizes))
                + [.float(Float(count)), .float(epsilon)] + (try split.arguments()),
            globalSize: split.globalSize,
            localSize: split.localSize
        )
    }
}
