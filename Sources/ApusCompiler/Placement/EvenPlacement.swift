package import ApusDevice
package import ApusGraph
import ApusLowering
package import ApusOperators
package import ApusTensor

/// Cuts a graph into one stage a device so that the slowest stage is as quick as can be.
package struct EvenPlacement: Sendable {
    private var table: OperatorTable
    private var limits: EvaluationLimits
    private var disabledPasses: Set<String>

    package init(
        table: OperatorTable = .standard,
        limits: EvaluationLimits = EvaluationLimits(),
        disabledPasses: Set<String> = []
    ) {
        self.table = table
        self.limits = limits
        self.disabledPasses = disabledPasses
    }

    /// Cuts a graph whose nodes stand in topological order.
    ///
    /// Costs are those of the nodes that are left after the passes, and a cut lies only where no pass joins the nodes on
    /// both sides. Nodes whose shapes depend on computed data count nothing.
    /// - Parameters:
    ///   - inputs: the shapes that the costs are estimated for.
    ///   - devices: one for each stage, in order.
    /// - Throws: `ModelError`, with code `unsupported` if there are fewer places to cut than devices need.
    package func place(
        _ graph: Graph,
        inputs: [ValueFact],
        on devices: [DeviceInfo]
    ) throws(ModelError) -> Placement {
        let profile = try CutProfile(graph, inputs: inputs, devices, table, limits, disabledPasses)
        let cuts = try bestCuts(profile, devices)
        let total = zip(cuts, cuts.dropFirst()).enumerated().reduce(0.0) { sum, stage in
            sum + profile.seconds(devices[stage.offset], stage.element.0..<stage.element.1)
        }
        var placement = Placement(stages: [], assignments: [])
        for (index, (begin, end)) in zip(cuts, cuts.dropFirst()).enumerated() {
            let share = profile.seconds(devices[index], begin..<end) / max(total, 1e-12)
            placement.stages.append(Placement.Stage(name: "part\(index + 1)", device: index, share: share))
            let percent = Int((share * 100).rounded())
            let reason = "part \(index + 1) of \(devices.count), \(percent) % of the estimated time"
            placement.assignments += (begin..<end).map { _ in Placement.Assignment(stage: index, reason: reason) }
        }
        return placement
    }

    /// The borders of the stages, those of the graph included: a linear partition with the smallest maximum.
    private func bestCuts(_ profile: CutProfile, _ devices: [DeviceInfo]) throws(ModelError) -> [Int] {
        let positions = profile.candidates()
        guard positions.count >= devices.count + 1 else {
            throw ModelError(
                .unsupported,
                "the model has \(max(positions.count - 2, 0)) places to cut, \(devices.count) devices need "
                    + "\(devices.count - 1)"
            )
        }
        // best[k][p]: the slowest of the first k stages, where the last of them ends at position p.
        let unreached = (seconds: Double.infinity, bytes: 0)
        var best = positions.map { _ in unreached }
        best[0].seconds = 0
        var choices: [[Int]] = []
        for device in devices {
            var next = positions.map { _ in unreached }
            var choice = positions.map { _ in 0 }
            for end in positions.indices.dropFirst() {
                for begin in 0..<end where best[begin].seconds < .infinity {
                    let range = positions[begin]..<positions[end]
                    let own =
                        profile.seconds(device, range)
                        + device.estimatedTransferSeconds(
                            profile.crossing(positions[begin]) + profile.crossing(positions[end])
                        )
                    let found = (
                        seconds: max(best[begin].seconds, own),
                        bytes: best[begin].bytes + profile.crossing(positions[begin])
                    )
                    if found < next[end] { (next[end], choice[end]) = (found, begin) }
                }
            }
            best = next
            choices.append(choice)
        }
        var position = positions.count - 1
        var cuts = [positions[position]]
        for choice in choices.reversed() {
            position = choice[position]
            cuts.append(positions[position])
        }
        return cuts.reversed()
    }
}

/// The costs along the nodes of a graph, and where it can be cut.
private struct CutProfile {
    /// The cost of all nodes before a position, by device.
    private var costs: [DeviceInfo: [Double]] = [:]
    /// The bytes that cross the border before a node; `nil` where a pass joins the nodes on both sides.
    private var crossingBytes: [Int?]

    init(
        _ graph: Graph,
        inputs: [ValueFact],
        _ devices: [DeviceInfo],
        _ table: OperatorTable,
        _ limits: EvaluationLimits,
        _ disabledPasses: Set<String>
    ) throws(ModelError) {
        var context = PassContext(table: table, limits: limits)
        let shapeFree = try PassPipeline.shapeFree.run(graph, disabled: disabledPasses, context: context)
        let unfused = try ShapeBinder(table: table, limits: limits).bind(shapeFree, inputs: inputs)
        let uses = GraphUses(graph)

        /// The values that no device's passes remove; a cut beside any other would keep a pass from joining nodes.
        var kept: Set<ValueID>?
        var types = unfused.types
        for device in Set(devices) {
            context.lowering = device.kind == .reference ? nil : LoweringContext(device: device)
            let bound = try unfused.optimized(disabled: disabledPasses, context: context)
            var sums = [Double](repeating: 0, count: graph.nodes.count + 1)
            var keptHere = Set(graph.inputs)
            var last = 0
            for node in bound.graph.nodes {
                let cost = try table.makeOperator(node).cost(
                    inputs: node.inputs.map { $0.flatMap { bound.types[$0] } },
                    outputs: node.outputs.map { $0.flatMap { bound.types[$0] } }
                )
                keptHere.formUnion(node.outputs.compactMap { $0 })
                last = node.outputs.compactMap { $0.flatMap { uses.producer[$0] } }.max() ?? last
                sums[last + 1] += device.estimatedSeconds(cost)
            }
            for index in graph.nodes.indices { sums[index + 1] += sums[index] }
            costs[device] = sums
            kept = kept?.intersection(keptHere) ?? keptHere
            types.merge(bound.types) { $1 }
        }
        var crossable = kept ?? []
        if let cut = unfused.cut { crossable.formUnion(cut.outputs.compactMap { $0 }) }
        for node in unfused.remainder?.nodes ?? [] { crossable.formUnion(node.outputs.compactMap { $0 }) }

        let origins = ValueOrigins(graph)
        var bytes = [Int](repeating: 0, count: graph.nodes.count + 1)
        var joined = bytes
        for (id, producer) in uses.producer where !origins.constant.contains(id) {
            guard let reader = uses.readers[id]?.max(), reader > producer else { continue }
            let isKept = crossable.contains(id) || origins.shapeArithmetic.contains(id)
            let byteCount = min(types[id]?.byteCount ?? 0, 1 << 40)
            bytes[producer + 1] += byteCount
            bytes[reader + 1] -= byteCount
            joined[producer + 1] += isKept ? 0 : 1
            joined[reader + 1] -= isKept ? 0 : 1
        }
        crossingBytes = []
        var (sum, joins) = (0, 0)
        for index in bytes.indices {
            sum += bytes[index]
            joins += joined[index]
            crossingBytes.append(joins == 0 ? sum : nil)
        }
    }

    func crossing(_ position: Int) -> Int { crossingBytes[position] ?? 0 }

    func seconds(_ device: DeviceInfo, _ nodes: Range<Int>) -> Double {
        guard let sums = costs[device] else { return 0 }
        return sums[nodes.upperBound] - sums[nodes.lowerBound]
    }

    /// Where the graph can be cut, its ends included: at most some thousand places, those with little to carry over.
    func candidates() -> [Int] {
        let inner = crossingBytes.indices.dropFirst().dropLast().filter { crossingBytes[$0] != nil }
        let maximum = 2048
        guard inner.count > maximum else { return [0] + inner + [crossingBytes.count - 1] }
        let chosen = (0..<maximum).map { part in
            let range = part * inner.count / maximum..<(part + 1) * inner.count / maximum
            return inner[range].min { crossing($0) < crossing($1) } ?? inner[range.lowerBound]
        }
        return [0] + chosen + [crossingBytes.count - 1]
    }
}
