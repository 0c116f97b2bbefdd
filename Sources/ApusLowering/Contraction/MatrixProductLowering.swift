import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// `Gemm` and `MatMul`; sums are float32 whatever the tensors hold.
enum MatrixProductLowering: OperatorLowering {
    static func layoutRequests(_ call: OperatorCall, _ context: LoweringContext) -> LayoutRequests {
        LayoutRequests(
            inputs: call.inputs.map { _ in .canonical },
            outputs: [.canonical]
        )
    }

    static func lower(_ call: OperatorCall, _ context: LoweringContext) throws(ModelError) -> LoweredNode {
        let problem = try MatrixProblem(call)
        guard problem.depth > 0 else { throw ModelError(.unsupported, "no matrix kernel for an empty sum") }
        let model = context.executionModel(
            call.node.displayType,
            workItem: "gemm/packed.cl",
            workGroup: "gemm/tiled.cl"
        )
        switch model {
        case .workItemTile: return try lowerPacked(problem, context)
        case .workGroupTile: return try lowerTiled(problem, context)
        }
    }

    /// `gemm/packed.cl`: a work-item computes a tile of packed operands.
    private static func lowerPacked(
        _ problem: MatrixProblem,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let batches = problem.batch[0] * problem.batch[1]
        let device = context.device
        let decision = Self.decision(problem, context)
        var tile = WorkItemTile.matrix(columns: problem.columns, vectorWidth: device.vectorWidth)
        var tunedAxis: Int?
        if case .tile(let rows, let columns, let axis) = decision.choice {
            tile = WorkItemTile(rows: rows, columns: columns, vectorWidth: device.vectorWidth)
            tunedAxis = axis
        }
        let panels = ceilingDivision(problem.columns, tile.columns)
        var launches: [KernelLaunch] = []
        var scratch: [Int] = []

        let usesPairs = problem.usesPairs(device)
        let steps = usesPairs ? ceilingDivision(problem.depth, 2) : problem.depth
        let sharesB = problem.sharesColumns
        let packedB = try pack(
            problem.b,
            batch: sharesB ? [1, 1] : problem.batch,
            depth: problem.depth,
            extent: problem.columns,
            width: tile.columns,
            asPairs: usesPairs,
            device: device,
            scratch: &scratch
        )
        launches.append(packedB.launch)

        var defines = tile.defines(device, usesPairs ? .bfloat16 : .float32)
        var arguments: [KernelArgument]
        if !problem.packsRows(device) {
            arguments = [problem.a.operand.argument()]
            arguments += (problem.a.batchPitches + [problem.a.rowPitch]).map { .int($0) }
        } else {
            let sharesA = problem.a.batchPitches.allSatisfy { $0 == 0 }
            let packedA = try pack(
                problem.a.transposed,
                batch: sharesA ? [1, 1] : problem.batch,
                depth: problem.depth,
                extent: problem.rows,
                width: tile.rows,
                device: device,
                scratch: &scratch
            )
            launches.append(packedA.launch)
            defines["A_PACKED"] = "1"
            arguments = [packedA.argument]
            arguments += ((sharesA ? [0, 0] : packedA.pitches) + [0]).map { .int($0) }
        }
        let epilogue = try EpilogueSource(problem.call, coordinates: problem.coordinates)
        defines.merge(epilogue.defines) { $1 }
        defines.merge(problem.storageDefines(device)) { $1 }
        if device.isPocl { defines["PREFETCH"] = "1" }
        let tiles = ceilingDivision(problem.rows, tile.rows)
        let (work, overflow) = (tiles * panels * batches).multipliedReportingOverflow(by: problem.depth)
        let items = WorkSplit.items(
            total: overflow ? .max : work,
            weight: tile.rows * tile.columns / 4,
            perUnit: 64,
            device: device
        )
        let tilesPerItem = max(1, min(tiles, tiles * panels * batches / items))
        // The tiles of a panel together ask for the whole next panel.
        let ahead = ceilingDivision(tile.columns * steps, max(1, tiles * (steps / 4)))
        let panelAxis = tunedAxis ?? Self.panelAxis(problem, tile)
        arguments += [packedB.argument]
        arguments += (sharesB ? [0, 0] : packedB.pitches).map { .int($0) }
        arguments += [problem.c.operand.argument(.write)]
        arguments += (problem.c.batchPitches + [problem.c.rowPitch]).map { .int($0) }
        arguments += [problem.batch[1], problem.rows, problem.columns, problem.depth].map { .int($0) }
        arguments += [tilesPerItem * tile.rows, ahead, panelAxis].map { .int($0) }
        arguments += epilogue.arguments
        var globalSize = [ceilingDivision(tiles, tilesPerItem), batches, batches]
        globalSize[panelAxis] = panels
        launches.append(
            KernelLaunch(
                program: KernelProgram(file: "gemm/packed.cl", defines: defines, generated: epilogue.generated),
                kernel: "gemm_packed",
                arguments: arguments,
                globalSize: globalSize,
                localSize: [1, 1, 1]
            )
        )
        var lowered = LoweredNode(launches: launches, scratchBytes: scratch)
        lowered.decision = decision
        return lowered
    }

    /// 2 keeps a panel in cache over all matrices of a batch, 1 the rows of a matrix over all panels.
    private static func panelAxis(_ problem: MatrixProblem, _ tile: WorkItemTile) -> Int {
        let elements = ceilingDivision(problem.columns, tile.columns) * problem.depth * tile.columns
        return !problem.sharesColumns || elements * 4 <= 256 << 10 ? 1 : 2
    }

    /// The register tiles of a matrix product.
    private static func decision(_ problem: MatrixProblem, _ context: LoweringContext) -> TuningDecision {
        let width = context.device.vectorWidth
        let best = WorkItemTile.matrix(columns: problem.columns, vectorWidth: width)
        let ranked = WorkItemTile.rankedForMatrix(columns: problem.columns, vectorWidth: width)
        let key = TuningKey.MatrixProduct(
            columns: problem.columns,
            depth: problem.depth,
            packsRows: problem.packsRows(context.device),
            sharesColumns: problem.sharesColumns,
            storage: problem.storage.elementType
        )
        return TuningDecision(
            .matrixProduct(key),
            first: best.choice(),
            others: [best.choice(panelAxis: 3 - panelAxis(problem, best))] + ranked.map { $0.choice() },
            context.tuning
        )
    }

    /// `gemm/tiled.cl`: a work-group computes a tile, staged in local memory; nothing is packed.
    private static func lowerTiled(
        _ problem: MatrixProblem,
        _ context: LoweringContext
    ) throws(ModelError) -> LoweredNode {
        let batches = problem.batch[0] * problem.batch[1]
        let tile = WorkGroupTile.best(
            rows: problem.rows,
            columns: problem.columns,
            batch: batches,
            device: context.device
        )
        var defines = tile.defines
        func pitch(_ view: MatrixView, _ define: String) throws(ModelError) -> Int {
            if view.columnPitch == 1 { return view.rowPitch }
            guard view.rowPitch == 1 else {
                throw ModelError(.unsupported, "no matrix kernel for a matrix without adjacent elements")
            }
            defines[define] = "1"
            return view.columnPitch
        }
        let pitchA = try pitch(problem.a, "A_TRANSPOSED")
        let pitchB = try pitch(problem.b, "B_TRANSPOSED")
        let epilogue = try EpilogueSource(problem.call, coordinates: problem.coordinates)
        defines.merge(epilogue.defines) { $1 }
        defines.merge(problem.storageDefines(context.device)) { $1 }
        var arguments: [KernelArgument] = [problem.a.operand.argument()]
        arguments += (problem.a.batchPitches + [pitchA]).map { .int($0) }
        arguments += [problem.b.operand.argument()]
        arguments += (problem.b.batchPitches + [pitchB]).map { .int($0) }
        arguments += [problem.c.operand.argument(.write)]
        arguments += (problem.c.batchPitches + [problem.c.rowPitch]).map { .int($0) }
        arguments += [problem.batch[1], problem.rows, problem.columns, problem.depth].map { .int($0) }
        arguments += epilogue.arguments
        let launch = KernelLaunch(
            program: KernelProgram(file: "gemm/tiled.cl", defines: defines, generated: epilogue.generated),
            kernel: "gemm_tiled",
            arguments: arguments,
            globalSize: [
                ceilingDivision(problem.columns, tile.columns) * tile.groupColumns,
                ceilingDivision(problem.rows, tile.rows) * tile.groupRows, batches,
            ],
            localSize: [tile.groupColumns, tile.groupRows, 1]
        )
        return LoweredNode(launches: [launch])
    }

    /// `gemm/pack.cl` into scratch memory: rows of `matrix` are the K axis, its columns are cut into panels.
    private static func pack(
        _ matrix: MatrixView,
        batch: [Int],
        depth: Int,
        extent: Int,
        width: Int,
        asPairs: Bool = false,
        device: DeviceInfo,
        scratch: inout [Int]
    ) throws(ModelError) -> (launch: KernelLaunch, argument: KernelArgument, pitches: [Int]) {
        let panels = ceilingDivision(extent, width)
        let elements = panels * (asPairs ? ceilingDivision(depth, 2) : depth) * width
        let pitches = [batch[1] * elements, elements]
        let target = BufferReference.scratch(scratch.count)
        scratch.append(batch[0] * batch[1] * elements * 4)
        let chunk = asPairs ? 32 : 16
        let isBatched = batch[0] * batch[1] > 1
        var slices: SourceSlices?
        if !isBatched, matrix.operand.layout.offset == 0 {
            if matrix.columnPitch == 1, matrix.rowPitch == extent {
                slices = SourceSlices(dimension: 0, elementsPerIndex: chunk * extent)
            } else if matrix.rowPitch == 1, matrix.columnPitch == depth {
                slices = SourceSlices(dimension: 1, elementsPerIndex: width * depth)
            }
        }
        var arguments: [KernelArgument] = [matrix.operand.argument()]
        arguments += (isBatched ? matrix.batchPitches : [0, 0]).map { .int($0) }
        arguments += [.int(matrix.rowPitch), .int(matrix.columnPitch)]
        arguments += [.tensor(target, offset: 0, elementBytes: 4, access: .write)]
        arguments += (pitches + [batch[1], depth, extent, width]).map { .int($0) }
        let launch = KernelLaunch(
            program: KernelProgram(
                file: "gemm/pack.cl",
                defines: try ElementStorage(matrix.operand.type.elementType).defines(device)
            ),
            kernel: asPairs ? "gemm_pack_pairs" : "gemm_pack",
            arguments: arguments,
            globalSize: [ceilingDivision(depth, chunk), panels, batch[0] * batch[1]],
            localSize: nil,
            sourceSlices: slices
        )
        return (launch, .tensor(target, offset: 0, elementBytes: 4, access: .read), pitches)
    }
}
