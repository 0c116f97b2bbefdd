import ApusDevice
import ApusGraph
import ApusLowering
import ApusTensor

/// Splits the load phase off an assembly and gives every buffer its place.
struct PlacedMemory {
    private(set) var loadSteps: [PlannedLaunch] = []
    private(set) var steps: [Step] = []
    private(set) var locations: [ValueID: BufferLocation] = [:]
    private(set) var arenaBytes = 0
    private(set) var arenaBlocks: [Range<Int>] = []

    private let assembly: PlanAssembly
    private var persistent: Set<BufferReference> = []
    private var packedKeys: [BufferReference: PackedKey] = [:]
    private var arenaOffsets: [BufferReference: Int] = [:]
    private var merged: [BufferReference: BufferReference] = [:]

    init(_ assembly: PlanAssembly) {
        self.assembly = assembly
        findPersistent()
        buildPackedKeys()
        let running = assembly.steps.filter { !isHoisted($0) }
        placeArena(running)
        for step in assembly.steps {
            switch step {
            case .launch(let launch, let node):
                let planned = PlannedLaunch(
                    launch: launch,
                    locations: launch.tensorReferences.map(location),
                    node: node
                )
                if isHoisted(step) { loadSteps.append(planned) } else { steps.append(.launch(planned)) }
            case .upload(let id):
                locations[id] = location(.value(id))
                steps.append(.upload(id))
            case .download(let id, let name):
                locations[id] = location(.value(id))
                steps.append(.download(id, as: name))
            case .evaluate(let node): steps.append(.evaluate(node))
            }
        }
    }

    private func root(_ reference: BufferReference) -> BufferReference {
        var reference = reference
        while true {
            if let next = merged[reference] {
                reference = next
            } else if case .value(let id) = reference, let source = assembly.aliases[id] {
                reference = .value(source)
            } else {
                return reference
            }
        }
    }

    private func isConstant(_ reference: BufferReference) -> Bool {
        guard case .value(let id) = reference else { return false }
        return assembly.graph.constants[id] != nil
    }

    private func isStable(_ reference: BufferReference) -> Bool {
        guard case .value(let id) = reference else { return persistent.contains(reference) }
        if assembly.graph.constants[id] != nil { return !assembly.graph.variables.contains(id) }
        return persistent.contains(reference)
    }

    private func isHoisted(_ step: PlanAssembly.PendingStep) -> Bool {
        guard case .launch(let launch, _) = step else { return false }
        return launch.writes.allSatisfy { persistent.contains(root($0)) }
    }

    /// Everything that launches write is persistent until one of its writers proves not to be constant.
    private mutating func findPersistent() {
        for step in assembly.steps {
            if case .launch(let launch, _) = step { persistent.formUnion(launch.writes.map(root)) }
        }
        for step in assembly.steps { if case .upload(let id) = step { persistent.remove(root(.value(id))) } }
        var changed = true
        while changed {
            changed = false
            for step in assembly.steps {
                guard case .launch(let launch, _) = step else { continue }
                let writes = launch.writes.map(root)
                if launch.reads.allSatisfy({ isStable(root($0)) }) && writes.allSatisfy(persistent.contains) {
                    continue
                }
                for reference in writes where persistent.remove(reference) != nil { changed = true }
            }
        }
    }

    private mutating func buildPackedKeys() {
        var writers: [BufferReference: [KernelLaunch]] = [:]
        var order: [BufferReference] = []
        for step in assembly.steps where isHoisted(step) {
            guard case .launch(let launch, _) = step else { continue }
            for reference in Set(launch.writes.map(root)) {
                if writers[reference] == nil { order.append(reference) }
                writers[reference, default: []].append(launch)
            }
        }
        let plan = PlanIdentity()
        for reference in order {
            var local: [BufferReference: Int] = [:]
            var dependencies: [PackedKey] = []
            var isOwned = false
            let launches = (writers[reference] ?? []).map { launch in
                var launch = launch
                launch.arguments = launch.arguments.map { argument in
                    guard case .tensor(let used, let offset, let bytes, let access) = argument else { return argument }
                    let base = root(used)
                    if isConstant(base) {
                        if case .value(let id) = base, !assembly.sharedConstants.contains(id) { isOwned = true }
                        return .tensor(base, offset: offset, elementBytes: bytes, access: access)
                    }
                    if local[base] == nil {
                        local[base] = local.count
                        if base != reference, let key = packedKeys[base] { dependencies.append(key) }
                    }
                    return .tensor(.scratch(local[base] ?? 0), offset: offset, elementBytes: bytes, access: access)
                }
                return launch
            }
            packedKeys[reference] = PackedKey(
                launches: launches,
                reference: .scratch(local[reference] ?? 0),
                byteCount: byteCount(reference),
                dependencies: dependencies,
                owner: isOwned || dependencies.contains { $0.owner != nil } ? plan : nil
            )
        }
    }

    private func byteCount(_ reference: BufferReference) -> Int {
        switch reference {
        case .scratch(let number): return assembly.scratchBytes[number]
        case .value(let id):
            guard let type = assembly.types[id] else { return 0 }
            let elements = assembly.layouts[id]?.allocatedElements ?? type.elementCount
            return max(type.elementType.byteCount(elements: elements) ?? 0, type.byteCount)
        }
    }

    private mutating func placeArena(_ running: [PlanAssembly.PendingStep]) {
        struct Life {
            var first: Int
            var last: Int
            var lastNode: Int
            var byteCount: Int
        }
        var lives: [BufferReference: Life] = [:]
        func touched(_ step: PlanAssembly.PendingStep) -> (references: [BufferReference], node: Int) {
            switch step {
            case .launch(let launch, let node): (launch.tensorReferences, node)
            case .upload(let id), .download(let id, _): ([.value(id)], -1)
            case .evaluate: ([], -1)
            }
        }
        for (index, step) in running.enumerated() {
            let (references, node) = touched(step)
            for reference in references.map(root) where !isConstant(reference) && !persistent.contains(reference) {
                var life = lives[reference] ?? Life(first: index, last: index, lastNode: node, byteCount: 0)
                life.last = index
                life.lastNode = node
                life.byteCount = max(life.byteCount, byteCount(reference))
                lives[reference] = life
            }
        }
        var producers: [BufferReference: Int] = [:]
        for step in running {
            guard case .launch(let launch, let node) = step else { continue }
            for reference in launch.writes.map(root) where producers[reference] == nil { producers[reference] = node }
        }
        for (output, inputs) in assembly.inPlace {
            let target = root(.value(output))
            guard let born = lives[target], let producer = producers[target] else { continue }
            for input in inputs {
                let source = root(.value(input))
                let readers = assembly.nodes[producer].node.reads.filter { $0 == input }.count
                guard source != target, let dying = lives[source], dying.lastNode == producer, readers <= 1,
                    dying.last <= born.last, dying.byteCount == born.byteCount
                else { continue }
                merged[target] = source
                lives[source] = Life(
                    first: dying.first,
                    last: born.last,
                    lastNode: born.lastNode,
                    byteCount: dying.byteCount
                )
                lives[target] = nil
                break
            }
        }
        let ordered = lives.sorted { ($0.value.first, $0.value.last) < ($1.value.first, $1.value.last) }
        let guardBytes = assembly.builder.guardBytes
        let plan = MemoryPlan(
            ordered.map { _, life in
                guard guardBytes > 0 else {
                    return MemoryPlan.Block(byteCount: life.byteCount, firstStep: life.first, lastStep: life.last)
                }
                return MemoryPlan.Block(
                    byteCount: life.byteCount + 2 * guardBytes,
                    firstStep: 0,
                    lastStep: running.count
                )
            }
        )
        for ((reference, _), offset) in zip(ordered, plan.offsets) { arenaOffsets[reference] = offset + guardBytes }
        arenaBytes = plan.arenaBytes
        arenaBlocks =
            guardBytes == 0
            ? [0..<arenaBytes]
            : zip(ordered, plan.offsets).map { $1 + guardBytes..<$1 + guardBytes + $0.value.byteCount }
    }

    private func location(_ reference: BufferReference) -> BufferLocation {
        let base = root(reference)
        if case .value(let id) = base, assembly.graph.constants[id] != nil { return .constant(id) }
        if let key = packedKeys[base] { return .packed(key) }
        return .arena(arenaOffsets[base] ?? 0)
    }
}

extension KernelLaunch {
    /// The memory of each tensor argument, in order.
    var tensorReferences: [BufferReference] {
        arguments.compactMap { if case .tensor(let reference, _, _, _) = $0 { reference } else { nil } }
    }
}
