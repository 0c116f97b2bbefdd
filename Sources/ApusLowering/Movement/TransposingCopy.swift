import ApusDevice
import ApusTensor

/// A copy whose source runs along one axis in memory and whose target runs along another.
struct TransposingCopy {
    private let source: StridedView
    private let target: StridedView
    /// Extents of the axis that is contiguous in the source, and of the one that is contiguous in the target.
    private let sourceRun: Int
    private let targetRun: Int
    /// The target's distance along the source's run, and the source's along the target's.
    private let targetPitch: Int
    private let sourcePitch: Int
    /// The other axes: extent, source pitch, target pitch; three of them.
    private let batch: [(extent: Int, source: Int, target: Int)]

    /// - Returns: `nil` where the copy is no transposition, or too small to be worth a kernel of its own.
    init?(_ source: StridedView, _ target: StridedView, shape: [Int], order: [Int]) {
        let space = IterationSpace(shape: shape, order: order, pitches: [source.pitches, target.pitches])
        let inner = space.extents.count - 1
        guard inner > 0, space.pitches[1][inner] == 1, space.pitches[0][inner] > 1,
            let run = space.extents.indices.dropLast().first(where: { space.pitches[0][$0] == 1 }),
            space.extents[run] >= 8, space.extents[inner] >= 3, inner <= 4
        else { return nil }
        self.source = source
        self.target = target
        sourceRun = space.extents[run]
        targetRun = space.extents[inner]
        targetPitch = space.pitches[1][run]
        sourcePitch = space.pitches[0][inner]
        let others = space.extents.indices.filter { $0 != run && $0 != inner }
            .map { (extent: space.extents[$0], source: space.pitches[0][$0], target: space.pitches[1][$0]) }
        batch = Array(repeating: (1, 0, 0), count: 3 - others.count) + others
    }

    func launch(_ context: LoweringContext) throws(ModelError) -> KernelLaunch {
        let batches = batch.reduce(1) { $0 * $1.extent }
        let isTile = context.device.executionModel == .workItemTile
        let tile = isTile ? 16 : 32
        let blocks = (sourceRun + tile - 1) / tile
        let width = context.device.vectorWidth
        let usesVectors = isTile && width >= 16 && source.elementType == .uint32
        let storage = try KernelScalar(source.elementType, raw: true).storage
        let extents =
            [sourceRun, targetRun, targetPitch, sourcePitch]
            + batch.dropFirst().map(\.extent) + batch.map(\.source) + batch.map(\.target)
        var global: [Int]
        var defines = ["ELEMENT": storage]
        if isTile {
            let items = WorkSplit.items(total: batches * sourceRun * targetRun, weight: 1, device: context.device)
            let columns = max(1, min((targetRun + 63) / 64, (items + batches * blocks - 1) / (batches * blocks)))
            let span = ((targetRun + columns - 1) / columns + 15) / 16 * 16
            let units = batches * blocks
            let unitsPerItem = columns > 1 ? 1 : max(1, units / max(items, 1))
            global = [(units + unitsPerItem - 1) / unitsPerItem, (targetRun + span - 1) / span]
            if usesVectors { defines["VECTOR"] = "16" }
            return KernelLaunch(
                program: KernelProgram(file: "movement/transpose.cl", defines: defines),
                kernel: "movement_transpose",
                arguments: [source.argument(.read), target.argument(.write)]
                    + (try intArguments(extents + [span, units, unitsPerItem])),
                globalSize: global,
                localSize: [1, 1]
            )
        }
        global = [(targetRun + tile - 1) / tile * tile, blocks * 8, batches]
        defines["GROUP_TILE"] = ""
        return KernelLaunch(
            program: KernelProgram(file: "movement/transpose.cl", defines: defines),
            kernel: "movement_transpose_tiled",
            arguments: [source.argument(.read), target.argument(.write)] + (try intArguments(extents + [0, 0, 0])),
            globalSize: global,
            localSize: [tile, 8, 1]
        )
    }
}
