import ApusGraph
import ApusTensor

/// A graph while nodes are exchanged: producers and readers follow every change. Positions of nodes do not move.
struct GraphEditor {
    /// The values and constants; its nodes are those of before.
    private(set) var graph: Graph
    /// The nodes by position, `nil` where one was removed.
    private(set) var nodes: [Node?]
    private var producers: [ValueID: Int] = [:]
    private var readers: [ValueID: [Int: Int]] = [:]
    private let outputs: Set<ValueID>

    init(_ graph: Graph) {
        self.graph = graph
        nodes = graph.nodes
        outputs = Set(graph.outputs)
        for index in nodes.indices { link(index) }
    }

    /// The graph as it stands.
    var result: Graph {
        var result = graph
        result.nodes = nodes.compactMap { $0 }
        return result
    }

    func isOutput(_ id: ValueID) -> Bool { outputs.contains(id) }

    func isRead(_ id: ValueID) -> Bool { readers[id] != nil || isOutput(id) }

    /// The node that produces a value, and its position.
    func producer(of id: ValueID?) -> (index: Int, node: Node)? {
        guard let id, let index = producers[id], let node = nodes[index] else { return nil }
        return (index, node)
    }

    /// The position of the one node that reads a value, perhaps several times; `nil` for an output of the graph.
    func soleReader(of id: ValueID) -> Int? {
        guard !isOutput(id), let positions = readers[id], positions.count == 1 else { return nil }
        return positions.first?.key
    }

    /// Whether nothing reads the results of a node but the first.
    func hasOneResult(_ node: Node) -> Bool {
        node.outputs.dropFirst().allSatisfy { $0.map { !isRead($0) } ?? true }
    }

    mutating func replaceNode(at index: Int, with node: Node?) {
        unlink(index)
        nodes[index] = node
        link(index)
    }

    /// Makes every reader of a value read another one.
    mutating func replaceReads(of old: ValueID, with new: ValueID) {
        for index in (readers[old] ?? [:]).keys {
            guard var node = nodes[index] else { continue }
            node.replaceReads { $0 == old ? new : $0 }
            replaceNode(at: index, with: node)
        }
    }

    mutating func addValue(_ name: String) -> ValueID { graph.addValue(name) }

    mutating func addConstant(_ name: String, _ tensor: Tensor) -> ValueID {
        graph.addConstant(name, .tensor(tensor))
    }

    private mutating func link(_ index: Int) {
        guard let node = nodes[index] else { return }
        for id in node.outputs.compactMap({ $0 }) { producers[id] = index }
        for id in node.reads { readers[id, default: [:]][index, default: 0] += 1 }
    }

    private mutating func unlink(_ index: Int) {
        guard let node = nodes[index] else { return }
        for id in node.outputs.compactMap({ $0 }) where producers[id] == index { producers[id] = nil }
        for id in Set(node.reads) {
            readers[id]?[index] = nil
            if readers[id]?.isEmpty == true { readers[id] = nil }
        }
    }
}

extension Graph {
    /// The graph with a rewriting applied to the bodies of its control flow.
    func rewritingSubgraphs(_ rewrite: (Graph) throws(ModelError) -> Graph) throws(ModelError) -> Graph {
        var result = self
        for index in nodes.indices {
            for (name, var subgraph) in nodes[index].attributes.subgraphs {
                subgraph.graph = try rewrite(subgraph.graph)
                result.nodes[index].attributes[name] = .graph(subgraph)
            }
        }
        return result
    }
}
