import ApusGraph
import ApusONNXProto
import ApusTensor

/// A graph under construction and what it captures of the graph around it.
final class GraphContext {
    var graph: Graph
    /// The graph whose node holds this one.
    let parent: GraphContext?
    /// How many graphs lie around this one.
    let depth: Int
    /// The values of the parent that the body reads, in the order of the trailing inputs.
    private(set) var captures: [(outer: ValueID, inner: ValueID)] = []
    private var captured: [ValueID: ValueID] = [:]
    private var producers: [ValueID: Int] = [:]

    init(name: String, parent: GraphContext?) {
        graph = Graph(name: name)
        self.parent = parent
        depth = parent.map { $0.depth + 1 } ?? 0
    }

    /// Appends a node.
    func append(_ node: Node) {
        for output in node.outputs { if let output { producers[output] = graph.nodes.count } }
        graph.nodes.append(node)
    }

    /// The node that produces a value, if it stands in the graph already.
    func producer(_ id: ValueID) -> Node? { producers[id].map { graph.nodes[$0] } }

    /// The value of this graph that stands for one of a graph around it, captured level by level.
    func lift(_ id: ValueID, from origin: GraphContext) -> ValueID {
        var path: [GraphContext] = []
        var level: GraphContext? = self
        while let context = level, context !== origin {
            path.append(context)
            level = context.parent
        }
        var holder = origin
        var current = id
        for context in path.reversed() {
            current = context.capture(current, of: holder)
            holder = context
        }
        return current
    }

    /// Constants are shared; other values become trailing inputs.
    private func capture(_ outer: ValueID, of parent: GraphContext) -> ValueID {
        if let inner = captured[outer] { return inner }
        let value = parent.graph[outer]
        let inner = graph.addValue(value.name, type: value.type, isImported: value.isImported)
        if let constant = parent.graph.constants[outer] {
            graph.constants[inner] = constant
        } else {
            captures.append((outer, inner))
        }
        captured[outer] = inner
        return inner
    }

    /// Checks that every value that is read is produced and puts the nodes into topological order.
    ///
    /// - Throws: `ModelError` that names the node that reads a missing value or lies on a cycle.
    func finish() throws(ModelError) {
        graph.inputs += captures.map(\.inner)
        var available = [Bool](repeating: false, count: graph.values.count)
        for id in graph.inputs { available[id.index] = true }
        for id in graph.constants.keys { available[id.index] = true }
        var produced = available
        for node in graph.nodes { for id in node.outputs { if let id { produced[id.index] = true } } }
        var isSorted = true
        for node in graph.nodes {
            for id in node.reads where !available[id.index] {
                isSorted = false
                guard produced[id.index] else {
                    throw ModelError(.invalidModel, "the input \(quoted(graph[id].name)) is not produced")
                        .at(node: node.name, operatorType: node.displayType)
                }
            }
            for id in node.outputs { if let id { available[id.index] = true } }
        }
        for id in graph.outputs where !produced[id.index] {
            throw ModelError(.invalidModel, "the output \(quoted(graph[id].name)) is not produced")
        }
        if !isSorted { graph = try graph.topologicallySorted() }
    }
}

/// The nodes of a graph or of a function's body, and the names that they see.
final class Scope {
    /// What a name stands for.
    enum Binding {
        case value(ValueID)
        /// An input of a function that its caller leaves out.
        case absent
    }

    /// An attribute that the caller of a function gives, and the scope whose names it means.
    struct BoundAttribute {
        var proto: Onnx_AttributeProto
        var origin: Scope
    }

    /// The graph that the nodes become a part of.
    let context: GraphContext
    /// The scope whose names are visible as well.
    let lexicalParent: Scope?
    let nodes: [Onnx_NodeProto]
    let opsets: [String: Int]
    /// The attributes of the function around; `nil` outside of functions.
    let attributes: [String: BoundAttribute]?
    /// What precedes the names of values and nodes of an expanded function.
    let prefix: String
    var names: [String: Binding] = [:]
    /// The index of the next node to import.
    var next = 0

    init(
        context: GraphContext,
        lexicalParent: Scope?,
        nodes: [Onnx_NodeProto],
        opsets: [String: Int],
        attributes: [String: BoundAttribute]? = nil,
        prefix: String = ""
    ) {
        self.context = context
        self.lexicalParent = lexicalParent
        self.nodes = nodes
        self.opsets = opsets
        self.attributes = attributes
        self.prefix = prefix
    }

    /// Binds a name.
    ///
    /// - Throws: `ModelError` if the name is empty or bound already.
    func define(_ name: String, _ binding: Binding) throws(ModelError) {
        guard !name.isEmpty else { throw ModelError(.invalidModel, "a value has no name") }
        guard names.updateValue(binding, forKey: name) == nil else {
            throw ModelError(.invalidModel, "the value \(quoted(name)) is defined twice")
        }
    }

    /// The value of the scope's graph that a name stands for; `nil` for one that a caller leaves out.
    ///
    /// - Throws: `ModelError` if nothing of that name is visible.
    func resolve(_ name: String) throws(ModelError) -> ValueID? {
        var scope: Scope? = self
        while let holder = scope {
            switch holder.names[name] {
            case .absent: return nil
            case .value(let id):
                guard holder !== self else { return id }
                let lifted = context.lift(id, from: holder.context)
                names[name] = .value(lifted)
                return lifted
            case nil: scope = holder.lexicalParent
            }
        }
        throw ModelError(.invalidModel, "the input \(quoted(name)) is not produced")
    }

    /// The attribute itself, or what a reference to an attribute of the function around stands for, if anything.
    ///
    /// - Throws: `ModelError` for a reference outside of functions.
    func bound(_ proto: Onnx_AttributeProto) throws(ModelError) -> BoundAttribute? {
        guard !proto.refAttrName.isEmpty else { return BoundAttribute(proto: proto, origin: self) }
        guard let attributes else {
            throw ModelError(.invalidModel, "attribute \(quoted(proto.name)) refers to a function's outside of one")
        }
        return attributes[proto.refAttrName]
    }
}
