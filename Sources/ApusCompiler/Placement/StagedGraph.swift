package import ApusGraph
import ApusOperators
package import ApusTensor

/// A graph cut into stages: graphs of their own over the same values, in an order in which they can run.
package struct StagedGraph: Sendable {
    /// One part of the graph on one device.
    package struct Stage: Sendable {
        /// The place of the stage in the placement.
        package var index: Int
        /// Its inputs and outputs are what crosses the borders, in canonical layout.
        package var graph: Graph
        /// Inputs that are computed from shapes alone: binding needs their values.
        package var knownInputs: Set<ValueID>
        /// The stages it waits for, as places in `stages`.
        package var predecessors: [Int]
        /// The longest way from the inputs of the model, in stages: those of one level do not wait for one another.
        package var level: Int
    }

    /// A value that goes from one stage to another.
    package struct Transfer: Sendable, Hashable {
        package var value: ValueID
        package var source: Int
        package var target: Int
    }

    /// The graph that was cut.
    package let graph: Graph
    package private(set) var stages: [Stage] = []
    /// What crosses the borders; stages as places in `stages`.
    package private(set) var transfers: [Transfer] = []

    /// Cuts a graph whose nodes stand in topological order.
    ///
    /// Nodes that compute from constants alone go along with every stage that reads them, and stages that are left with
    /// nothing to compute are dropped.
    /// - Throws: `ModelError` with code `invalidFile` if stages wait for one another in a circle.
    package init(_ graph: Graph, _ placement: Placement) throws(ModelError) {
        self.graph = graph
        let origins = ValueOrigins(graph)
        let uses = GraphUses(graph)
        var members: [[Int]] = placement.stages.map { _ in [] }
        let live = graph.liveNodes
        for (node, assignment) in placement.assignments.enumerated() where live.contains(node) {
            members[assignment.stage].append(node)
        }
        let parts = members.map { StagePart($0, graph, uses, origins) }

        var sources: [ValueID: Int] = [:]
        for (stage, nodes) in members.enumerated() {
            for node in nodes { for id in graph.nodes[node].outputs { if let id { sources[id] = stage } } }
        }
        var sent: [Set<ValueID>] = parts.indices.map { stage in Set(graph.outputs.filter { sources[$0] == stage }) }
        for (stage, part) in parts.enumerated() {
            for id in part.reads { if let source = sources[id], source != stage { sent[source].insert(id) } }
        }
        let elementTypes = graph.elementTypes
        let order = try Self.order(parts, sources, placement, graph).filter { !sent[$0].isEmpty }
        let places = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        for (place, index) in order.enumerated() {
            let part = parts[index]
            var subgraph = graph
            subgraph.name = placement.stages[index].name
            subgraph.nodes = part.nodes.map { graph.nodes[$0] }
            subgraph.inputs = part.reads.sorted()
            subgraph.outputs = sent[index].sorted()
            // What a model declares about values inside it is not trusted, and an input's type would be.
            for id in part.reads where sources[id] != nil {
                subgraph[id].type = elementTypes[id].map { .tensor($0, nil) }
            }
            let predecessors = Set(part.reads.compactMap { sources[$0] }.compactMap { places[$0] }).sorted()
            for id in part.reads {
                guard let source = sources[id].flatMap({ places[$0] }) else { continue }
                transfers.append(Transfer(value: id, source: source, target: place))
            }
            stages.append(
                Stage(
                    index: index,
                    graph: subgraph.removingDeadCode(),
                    knownInputs: part.reads.intersection(origins.shapeArithmetic),
                    predecessors: predecessors,
                    level: (predecessors.map { stages[$0].level }.max() ?? -1) + 1
                )
            )
        }
        transfers.sort { ($0.source, $0.target, $0.value) < ($1.source, $1.target, $1.value) }
    }

    /// The stages in an order in which each finds what it reads.
    private static func order(
        _ parts: [StagePart],
        _ sources: [ValueID: Int],
        _ placement: Placement,
        _ graph: Graph
    ) throws(ModelError) -> [Int] {
        var waits = parts.enumerated().map { stage, part in
            Set(part.reads.compactMap { sources[$0] }.filter { $0 != stage })
        }
        var order: [Int] = []
        var waiting = Array(parts.indices)
        while let next = waiting.first(where: { waits[$0].isEmpty }) {
            order.append(next)
            waiting.removeAll { $0 == next }
            for stage in waiting { waits[stage].remove(next) }
        }
        guard let stuck = waiting.first else { return order }
        var circle = [stuck]
        while true {
            let next = waits[circle[circle.count - 1]].min() ?? stuck
            if let start = circle.firstIndex(of: next) {
                circle = Array(circle[start...]) + [next]
                break
            }
            circle.append(next)
        }
        let reasons = zip(circle, circle.dropFirst()).map { stage, source in
            let value = parts[stage].reads.filter { sources[$0] == source }.min()
            return "\"\(placement.stages[stage].name)\" reads \"\(value.map { graph[$0].name } ?? "")\" of "
                + "\"\(placement.stages[source].name)\""
        }
        throw placementError(
            circle.map { placement.stages[$0].line }.max() ?? 0,
            "stages wait for one another: \(reasons.joined(separator: ", ")); one of them has to be two stages"
        )
    }
}

/// The nodes of one stage with what they read from outside.
private struct StagePart {
    /// Those placed here and those that compute what these need from constants alone, in order.
    let nodes: [Int]
    let reads: Set<ValueID>

    init(_ members: [Int], _ graph: Graph, _ uses: GraphUses, _ origins: ValueOrigins) {
        var nodes = Set(members)
        var pending = members
        while let index = pending.popLast() {
            for id in graph.nodes[index].reads where origins.constant.contains(id) {
                guard let producer = uses.producer[id], nodes.insert(producer).inserted else { continue }
                pending.append(producer)
            }
        }
        self.nodes = nodes.sorted()
        let produced = Set(nodes.flatMap { graph.nodes[$0].outputs.compactMap { $0 } })
        reads = Set(nodes.flatMap { graph.nodes[$0].reads })
            .filter { graph.constants[$0] == nil && !produced.contains($0) }
    }
}

extension Graph {
    /// The nodes that outputs depend on, by index.
    fileprivate var liveNodes: Set<Int> {
        var needed = Set(outputs)
        var live: Set<Int> = []
        for (index, node) in nodes.enumerated().reversed()
        where node.outputs.contains(where: { $0.map(needed.contains) ?? false }) {
            needed.formUnion(node.reads)
            live.insert(index)
        }
        return live
    }
}

extension Graph {
    /// The element types of values as far as shape rules tell them without shapes.
    fileprivate var elementTypes: [ValueID: ElementType] {
        var facts: [ValueID: ValueFact] = [:]
        for id in inputs {
            if case .tensor(let elementType, _)? = self[id].type { facts[id] = .dataDependent(elementType) }
        }
        for (id, value) in constants { facts[id] = ValueFact(value) }
        for node in nodes {
            guard let op = try? OperatorTable.standard.makeOperator(node),
                let results = try? op.infer(node.inputs.map { $0.map { facts[$0] ?? .opaque } })
            else { continue }
            for (id, fact) in zip(node.outputs, results) { if let id { facts[id] = fact } }
        }
        return facts.compactMapValues(\.elementType)
    }
}

/// Which values of a graph follow from constants, or from shapes, alone.
struct ValueOrigins {
    /// Values that nodes compute from constants alone.
    private(set) var constant: Set<ValueID> = []
    /// Values that nodes compute from constants and shapes alone; holds `constant`.
    private(set) var shapeArithmetic: Set<ValueID> = []

    init(_ graph: Graph) {
        func isConstant(_ id: ValueID) -> Bool {
            graph.constants[id] != nil && !graph.variables.contains(id) || constant.contains(id)
        }
        for node in graph.nodes {
            let outputs = node.outputs.compactMap { $0 }
            if node.domain.isEmpty, ["Shape", "Size"].contains(node.operatorType) {
                shapeArithmetic.formUnion(outputs)
                if node.reads.allSatisfy(isConstant) { constant.formUnion(outputs) }
                continue
            }
            guard !node.reads.isEmpty || node.operatorType == "Constant", node.attributes.subgraphs.isEmpty,
                !Self.random.contains(node.operatorType)
            else { continue }
            if node.reads.allSatisfy(isConstant) { constant.formUnion(outputs) }
            if node.reads.allSatisfy({ isConstant($0) || shapeArithmetic.contains($0) }) {
                shapeArithmetic.formUnion(outputs)
            }
        }
    }

    /// Operators whose results change from run to run.
    private static let random: Set<String> = [
        "Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
    ]
}
