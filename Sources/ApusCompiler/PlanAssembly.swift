import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor

/// A plan in the making: launches in order, before the load phase is split off and memory is placed.
struct PlanAssembly {
    /// A step before memory is placed. Scratch numbers are unique over the plan here.
    enum PendingStep {
        case launch(KernelLaunch, node: Int)
        case upload(ValueID)
        case download(ValueID, as: ValueID)
        case evaluate(Int)
    }

    let builder: PlanBuilder
    let sharedConstants: Set<ValueID>
    var graph: Graph
    var types: [ValueID: TensorType]
    var layouts: [ValueID: Layout] = [:]
    var nodes: [PlannedNode] = []
    var steps: [PendingStep] = []
    var scratchBytes: [Int] = []
    /// Values that share the memory of another one.
    var aliases: [ValueID: ValueID] = [:]
    /// Values that may take over the memory of others that die at their birth.
    var inPlace: [(output: ValueID, inputs: [ValueID])] = []
    private var requests: [LayoutRequests?] = []
    private var hostReasons: [String?] = []
    private var copies: [CopyKey: ValueID] = [:]
    private var onHost: Set<ValueID>
    private var onDevice: Set<ValueID>
    private let cut: Node?
    private let remainder: Graph?

    private struct CopyKey: Hashable {
        var value: ValueID
        var layout: Layout
    }

    init(_ bound: BoundGraph, builder: PlanBuilder, sharedConstants: Set<ValueID>) throws(ModelError) {
        self.builder = builder
        self.sharedConstants = sharedConstants
        graph = bound.graph
        types = bound.types
        cut = bound.cut
        remainder = bound.remainder
        onHost = Set(graph.inputs).union(graph.constants.keys)
        onDevice = Set(graph.constants.keys).filter { bound.types[$0] != nil }
        for node in graph.nodes {
            let op = try builder.table.makeOperator(node)
            let inputTypes = node.inputs.map { $0.flatMap { types[$0] } }
            let outputTypes = node.outputs.map { $0.flatMap { types[$0] } }
            nodes.append(
                PlannedNode(
                    node: node,
                    op: op,
                    hostReason: nil,
                    launchCount: 0,
                    cost: op.cost(inputs: inputTypes, outputs: outputTypes)
                )
            )
            var reason: String?
            if let lowering = builder.lowerings.lowering(for: node) {
                if node.inputs.contains(where: { $0.map { bound.types[$0] == nil } ?? false }) {
                    reason = "an operand is not a numeric tensor"
                    requests.append(nil)
                } else {
                    requests.append(lowering.layoutRequests(call(node, op, canonical: true), builder.context))
                }
            } else {
                reason = "no kernel for the operator"
                requests.append(nil)
            }
            hostReasons.append(reason)
        }
        layouts = LayoutAssignment(graph, types: types, requests: requests).layouts
    }

    private func call(_ node: Node, _ op: any Operator, canonical: Bool) -> OperatorCall {
        func operand(_ id: ValueID?) -> Operand? {
            guard let id, let type = types[id] else { return nil }
            let layout = canonical ? Layout.canonical(type.shape) : layouts[id] ?? .canonical(type.shape)
            return Operand(id: id, type: type, layout: layout, value: graph.constantTensor(id))
        }
        return OperatorCall(
            node: node,
            anchor: (op as? FusedOperator)?.anchor ?? op,
            inputs: node.inputs.map(operand),
            outputs: node.outputs.map(operand)
        )
    }

    private func operand(_ id: ValueID) -> Operand? {
        guard let type = types[id] else { return nil }
        return Operand(
            id: id,
            type: type,
            layout: layouts[id] ?? .canonical(type.shape),
            value: graph.constantTensor(id)
        )
    }

    mutating func lowerNodes() throws(ModelError) {
        for index in nodes.indices {
            let node = graph.nodes[index]
            if node.outputs.contains(where: { $0.map { types[$0]?.elementCount == 0 } ?? false }) {
                try evaluateOnHost(index, reason: "an output is empty")
                continue
            }
            guard hostReasons[index] == nil, let lowering = builder.lowerings.lowering(for: node),
                let request = requests[index]
            else {
                try evaluateOnHost(index, reason: hostReasons[index] ?? "no kernel for the operator")
                continue
            }
            let before = (steps: steps, copies: copies, onDevice: onDevice)
            do {
                var prepared = node
                for (position, id) in node.inputs.enumerated() {
                    guard let id else { continue }
                    prepared.inputs[position] = try deviceValue(
                        id,
                        request.inputs[position],
                        haloValue: request.haloValues[position] ?? 0,
                        node: index
                    )
                }
                let lowered = try lowering.lower(call(prepared, nodes[index].op, canonical: false), builder.context)
                try checkTrust(lowered, node)
                nodes[index].decision = lowered.decision
                append(lowered, of: prepared, at: index)
            } catch {
                guard error.code == .unsupported else {
                    throw error.at(node: node.name, operatorType: node.displayType)
                }
                (steps, copies, onDevice) = before
                try evaluateOnHost(index, reason: error.message)
            }
        }
    }

    /// - Throws: `ModelError` with code `unsupported` if the device is not trusted with a kernel.
    private func checkTrust(_ lowered: LoweredNode, _ node: Node) throws(ModelError) {
        let tuning = builder.context.tuning
        let refused = lowered.launches.first { tuning.refuses(node.displayType, $0.variant) }
        if let refused { throw ModelError(.unsupported, "the device is not trusted with \(refused.variant)") }
    }

    private mutating func append(_ lowered: LoweredNode, of node: Node, at index: Int) {
        let base = scratchBytes.count
        scratchBytes += lowered.scratchBytes
        nodes[index].launchCount = lowered.launches.count
        if let input = lowered.aliasedInput, let source = node.inputs[input], let output = node.outputs[0] {
            aliases[output] = source
        } else if let output = node.outputs.first.flatMap({ $0 }) {
            let candidates = lowered.inPlaceInputs.compactMap {
                node.inputs.indices.contains($0) ? node.inputs[$0] : nil
            }
            inPlace.append((output, candidates.filter { layouts[$0] == layouts[output] }))
        }
        for launch in lowered.launches {
            var launch = launch
            launch.arguments = launch.arguments.map { argument in
                if case .tensor(.scratch(let number), let offset, let bytes, let access) = argument {
                    .tensor(.scratch(base + number), offset: offset, elementBytes: bytes, access: access)
                } else {
                    argument
                }
            }
            steps.append(.launch(launch, node: index))
        }
        for id in node.outputs {
            guard let id else { continue }
            onDevice.insert(id)
            if lowered.aliasedInput == nil, let operand = operand(id), operand.layout.hasHalo {
                for launch in haloLaunches(for: operand, builder.context) { steps.append(.launch(launch, node: index)) }
            }
        }
    }

    /// The value, or a copy of it, on the device in a layout that serves the request.
    private mutating func deviceValue(
        _ id: ValueID,
        _ request: LayoutRequest,
        haloValue: Int = 0,
        node: Int
    ) throws(ModelError) -> ValueID {
        if !onDevice.contains(id) {
            steps.append(.upload(id))
            onDevice.insert(id)
        }
        guard let source = operand(id) else {
            throw ModelError(.unsupported, "the operand \"\(graph[id].name)\" is not a numeric tensor")
        }
        let shape = source.type.shape
        if LayoutAssignment.satisfies(source.layout, request, shape: shape, haloValue: haloValue) { return id }
        let layout = LayoutAssignment.layout(for: request, shape: shape, haloValue: haloValue)
        let key = CopyKey(value: id, layout: layout)
        if let copy = copies[key] { return copy }
        let copy = graph.addValue(graph[id].name)
        types[copy] = source.type
        layouts[copy] = layout
        let target = Operand(id: copy, type: source.type, layout: layout)
        for launch in try copyLaunches(from: source, to: target, builder.context) {
            steps.append(.launch(launch, node: node))
        }
        if layout.hasHalo {
            for launch in haloLaunches(for: target, builder.context) { steps.append(.launch(launch, node: node)) }
        }
        copies[key] = copy
        return copy
    }

    private mutating func evaluateOnHost(_ index: Int, reason: String) throws(ModelError) {
        let node = graph.nodes[index]
        nodes[index].hostReason = reason
        for id in node.reads { try bringToHost(id, node: index) }
        steps.append(.evaluate(index))
        onHost.formUnion(node.outputs.compactMap { $0 })
        for id in node.outputs { if let id, let type = types[id] { layouts[id] = .canonical(type.shape) } }
    }

    private mutating func bringToHost(_ id: ValueID, node: Int) throws(ModelError) {
        guard !onHost.contains(id) else { return }
        let canonical = try deviceValue(id, .canonical, node: node)
        steps.append(.download(canonical, as: id))
        onHost.insert(id)
    }

    /// Appends what brings every output of the graph to the host.
    mutating func deliverOutputs() throws(ModelError) {
        for id in graph.outputs { try bringToHost(id, node: max(nodes.count - 1, 0)) }
    }

    func finish() throws(ModelError) -> Plan {
        let placed = PlacedMemory(self)
        return Plan(
            graph: graph,
            types: types,
            layouts: layouts,
            nodes: nodes,
            loadSteps: placed.loadSteps,
            steps: placed.steps,
            locations: placed.locations,
            arenaBytes: placed.arenaBytes,
            arenaBlocks: placed.arenaBlocks,
            cut: cut,
            remainder: remainder
        )
    }
}
