import ApusDevice
import ApusGraph
import ApusOperators
import ApusTensor

/// Attention over operands in memory, as the kernels take it.
struct AttentionCall {
    /// An operand: memory, and where its elements lie in it.
    struct Place {
        var memory: StridedView
        /// Elements between batch items, heads and positions; features are adjacent.
        var pitches: [Int]

        /// - Throws: `ModelError` with code `unsupported`, where features are not adjacent.
        init(_ operand: Operand, _ view: AttentionView, size: Int) throws(ModelError) {
            guard view.pitches[3] == 1 || size == 1 else {
                throw ModelError(.unsupported, "no attention kernel for features that are not adjacent")
            }
            memory = operand.view
            memory.offset += view.offset
            pitches = Array(view.pitches.prefix(3))
        }

        init(_ memory: StridedView, heads: Int, positions: Int, size: Int) {
            self.memory = memory
            pitches = [heads * positions * size, positions * size, size]
        }
    }

    let operatorType: String
    /// What query, key, value and result hold.
    let storage: ElementStorage
    var problem: AttentionProblem
    var query: Place
    var key: Place
    var value: Place
    var output: Place
    var mask: Operand?
    /// The keys of each batch item that take part, int64.
    var valid: Operand?

    /// Appends the kernel calls.
    ///
    /// - Throws: `ModelError` with code `unsupported`, where no kernel serves the call.
    func launch(_ result: inout ScratchLaunches, _ context: LoweringContext) throws(ModelError) {
        let model = context.executionModel(
            operatorType,
            workItem: "attention/tile.cl",
            workGroup: "attention/group.cl"
        )
        switch model {
        case .workItemTile: try launchTile(&result, context)
        case .workGroupTile: try launchGroup(&result, context)
        }
    }

    private func launchTile(_ result: inout ScratchLaunches, _ context: LoweringContext) throws(ModelError) {
        let width = context.device.vectorWidth
        let tile = WorkItemTile(rows: width >= 16 ? 8 : 4, columns: 2 * width, vectorWidth: width)
        let usesPairs = storage.multipliesPairs(context.device)
        let packedKey = try pack(
            key.memory,
            batchPitches: Array(key.pitches.prefix(2)),
            depth: (problem.headSize, 1),
            columns: (problem.keys, key.pitches[2]),
            width: tile.columns,
            asPairs: usesPairs,
            context.device,
            &result
        )
        let packedValue = try pack(
            value.memory,
            batchPitches: Array(value.pitches.prefix(2)),
            depth: (problem.keys, value.pitches[2]),
            columns: (problem.valueSize, 1),
            width: tile.columns,
            asPairs: usesPairs,
            context.device,
            &result
        )
        var defines = tile.defines(context.device, usesPairs ? .bfloat16 : .float32)
        defines.merge(storage.defines(context.device)) { $1 }
        defines["KEYS"] = "256"
        defines["DEPTH"] = String(ceilingDivision(problem.headSize, width) * width)
        defines["WIDTH"] = String(ceilingDivision(problem.valueSize, tile.columns) * tile.columns)
        let tail = try tailArguments(&defines)
        var arguments = [query.memory.argument(.read)]
        arguments += try intArguments(query.pitches)
        arguments += [packedKey.argument(.read), packedValue.argument(.read), output.memory.argument(.write)]
        arguments += try intArguments(output.pitches)
        result.launches.append(
            KernelLaunch(
                program: KernelProgram(file: "attention/tile.cl", defines: defines),
                kernel: "attention_tile",
                arguments: arguments + tail,
                globalSize: [ceilingDivision(problem.queries, tile.rows), problem.queryHeads, problem.batch],
                localSize: [1, 1, 1]
            )
        )
    }

    private func launchGroup(_ result: inout ScratchLaunches, _ context: LoweringContext) throws(ModelError) {
        let device = context.device
        let sizes = [problem.headSize, problem.valueSize].map { ceilingDivision($0, 16) * 16 }
        let group = min(64, device.maximumWorkGroupSize)
        guard let keys = [16, 8, 4].first(where: { $0 * (sizes[0] + sizes[1]) * 4 <= device.localMemoryBytes / 2 })
        else { throw ModelError(.unsupported, "no attention kernel for heads of \(problem.headSize) features") }
        var defines = [
            "GROUP": String(group), "KEYS": String(keys), "DEPTH": String(sizes[0]), "WIDTH": String(sizes[1]),
        ]
        defines.merge(storage.defines(device)) { $1 }
        let tail = try tailArguments(&defines)
        var arguments: [KernelArgument] = []
        for (place, access) in [(query, KernelArgument.Access.read), (key, .read), (value, .read), (output, .write)] {
            arguments.append(place.memory.argument(access))
            arguments += try intArguments(place.pitches)
        }
        result.launches.append(
            KernelLaunch(
                program: KernelProgram(file: "attention/group.cl", defines: defines),
                kernel: "attention_group",
                arguments: arguments + tail,
                globalSize: [
                    ceilingDivision(problem.queries, group) * group, problem.queryHeads, problem.batch,
                ],
                localSize: [group, 1, 1]
            )
        )
    }

    /// What both kernels take after their operands.
    private func tailArguments(_ defines: inout [String: String]) throws(ModelError) -> [KernelArgument] {
        var columns = problem.keys
        var further: [KernelArgument] = []
        if let mask {
            let shape = mask.type.shape
            let own = shape.last ?? 1
            guard mask.type.elementType == .float32 || mask.type.elementType == .bool, own > 1 || problem.keys == 1
            else { throw ModelError(.unsupported, "no attention kernel for a mask \(mask.type)") }
            defines["MASK"] = "1"
            if mask.type.elementType == .bool { defines["MASK_BOOL"] = "1" }
            columns = own
            let view = mask.view(broadcastTo: Array(problem.scoresShape.dropLast()) + [own])
            further.append(view.argument(.read))
            further += try intArguments(Array(view.pitches.prefix(3)))
        }
        if let valid {
            defines["VALID"] = "1"
            further.append(valid.argument())
        }
        if problem.isCausal { defines["CAUSAL"] = "1" }
        if problem.softcap > 0 { defines["SOFTCAP"] = "1" }
        let sizes = [
            problem.queries, problem.keys, problem.headSize, problem.valueSize,
            problem.queryHeads / problem.keyHeads, columns, problem.pastKeys,
        ]
        return try intArguments(sizes) + [.float(problem.scale), .float(problem.softcap)] + further
    }

    /// The key heads of all batch items as panels of `width` columns, by `gemm/pack.cl`.
    private func pack(
        _ matrix: StridedView,
        batchPitches: [Int],
        depth: (extent: Int, pitch: Int),
        columns: (extent: Int, pitch: Int),
        width: Int,
        asPairs: Bool,
        _ device: DeviceInfo,
        _ result: inout ScratchLaunches
    ) throws(ModelError) -> StridedView {
        let panels = ceilingDivision(columns.extent, width)
        let steps = asPairs ? ceilingDivision(depth.extent, 2) : depth.extent
        let elements = panels * steps * width
        let heads = problem.batch * problem.keyHeads
        let target = result.makeScratch([heads, elements])
        var arguments = [matrix.argument(.read)]
        arguments += try intArguments(batchPitches + [depth.pitch, columns.pitch])
        arguments.append(target.argument(.write))
        arguments += try intArguments([
            problem.keyHeads * elements, elements, problem.keyHeads, depth.extent, columns.extent, width,
        ])
        result.launches.append(
            KernelLaunch(
                program: KernelProgram(file: "gemm/pack.cl", defines: storage.defines(device)),
                kernel: asPairs ? "gemm_pack_pairs" : "gemm_pack",
                arguments: arguments,
                globalSize: [ceilingDivision(depth.extent, asPairs ? 32 : 16), panels, heads],
                localSize: nil
            )
        )
        return target
    }
}
