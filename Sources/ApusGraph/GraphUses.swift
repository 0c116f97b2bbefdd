package import ApusTensor

/// Who produces and who reads each value of a graph, at one moment.
package struct GraphUses: Sendable {
    /// The index of the producing node by value; values without an entry are inputs, constants or dead.
    package private(set) var producer: [ValueID: Int] = [:]
    /// The indices of the reading nodes by value, a node once for each operand.
    package private(set) var readers: [ValueID: [Int]] = [:]
    private let outputs: Set<ValueID>

    package init(_ graph: Graph) {
        outputs = Set(graph.outputs)
        for (index, node) in graph.nodes.enumerated() {
            for output in node.outputs { if let output { producer[output] = index } }
            for input in node.reads { readers[input, default: []].append(index) }
        }
    }

    /// Whether exactly one node reads the value, once, and it is no output of the graph.
    package func hasSingleReader(_ id: ValueID) -> Bool {
        readers[id]?.count == 1 && !outputs.contains(id)
    }

    /// Whether the value is an output of the graph.
    package func isOutput(_ id: ValueID) -> Bool { outputs.contains(id) }
}

extension Graph {
    /// The graph without nodes and constants whose results nothing reads.
    package func removingDeadCode() -> Graph {
        var live = Set(outputs)
        var kept: [Node] = []
        for node in nodes.reversed() where node.outputs.contains(where: { $0.map(live.contains) ?? false }) {
            live.formUnion(node.reads)
            kept.append(node)
        }
        var result = self
        result.nodes = kept.reversed()
        result.constants = constants.filter { live.contains($0.key) }
        return result
    }

    /// The graph with its nodes in topological order, the present order kept where it is one.
    ///
    /// - Throws: `ModelError` if nodes form a cycle.
    package func topologicallySorted() throws(ModelError) -> Graph {
        let uses = GraphUses(self)
        var missing = nodes.map { node in Set(node.reads.filter { uses.producer[$0] != nil }).count }
        var ready = MinimumHeap(missing.indices.filter { missing[$0] == 0 })
        var order: [Int] = []
        while let index = ready.popMinimum() {
            order.append(index)
            for output in nodes[index].outputs {
                guard let output else { continue }
                for reader in Set(uses.readers[output] ?? []) {
                    missing[reader] -= 1
                    if missing[reader] == 0 { ready.insert(reader) }
                }
            }
        }
        guard order.count == nodes.count else {
            let stuck = missing.indices.first { missing[$0] > 0 } ?? 0
            throw ModelError(.invalidModel, "the graph has a cycle")
                .at(node: nodes[stuck].name, operatorType: nodes[stuck].displayType)
        }
        var result = self
        result.nodes = order.map { nodes[$0] }
        return result
    }
}

/// A binary heap of integers with the smallest on top.
private struct MinimumHeap {
    private var elements: [Int] = []

    init(_ sorted: [Int]) { elements = sorted.sorted() }

    mutating func insert(_ element: Int) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0, elements[(child - 1) / 2] > elements[child] {
            elements.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func popMinimum() -> Int? {
        guard let minimum = elements.first else { return nil }
        let last = elements.removeLast()
        if elements.isEmpty { return minimum }
        elements[0] = last
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < elements.count && elements[child] < elements[smallest] {
                smallest = child
            }
            if smallest == parent { return minimum }
            elements.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
