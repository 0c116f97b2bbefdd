import ApusGraph
import ApusONNXProto
import ApusTensor

/// Builds the graph of a model: resolves names, expands functions, makes captures explicit and upgrades nodes.
///
/// Subgraphs recurse, to a bounded depth; everything else is iterative.
final class GraphImporter {
    /// The deepest nesting of subgraphs, those of expanded functions included.
    static let maximumDepth = 64
    /// The most bytes of names and attributes that expanding functions may add.
    static let maximumExpandedBytes = 256 << 20

    let tensors: TensorImporter
    let functions: LocalFunctions
    private let options: ImportOptions
    private var nodeCount = 0
    private var expandedNodeCount = 0
    private var expandedByteCount = 0
    private var callCount = 0

    init(tensors: TensorImporter, functions: LocalFunctions, options: ImportOptions) {
        self.tensors = tensors
        self.functions = functions
        self.options = options
    }

    /// The graph of a model.
    ///
    /// - Throws: `ModelError` that names the node at fault.
    func graph(_ proto: Onnx_GraphProto, _ opsets: [String: Int]) throws(ModelError) -> Graph {
        let context = GraphContext(name: proto.name, parent: nil)
        try build(proto, Scope(context: context, lexicalParent: nil, nodes: proto.node, opsets: opsets))
        return context.graph
    }

    /// The subgraph of an attribute.
    ///
    /// - Parameters:
    ///   - origin: the scope whose names the body sees.
    ///   - context: the graph of the node that holds it.
    func subgraph(_ proto: Onnx_GraphProto, _ origin: Scope, in context: GraphContext) throws(ModelError) -> Subgraph {
        let inner = GraphContext(name: proto.name, parent: context)
        guard inner.depth <= Self.maximumDepth else {
            throw ModelError(.limitExceeded, "subgraphs are nested more than \(Self.maximumDepth) deep")
        }
        try build(
            proto,
            Scope(
                context: inner,
                lexicalParent: origin,
                nodes: proto.node,
                opsets: origin.opsets,
                attributes: origin.attributes,
                prefix: origin.prefix
            )
        )
        return Subgraph(graph: inner.graph, captures: inner.captures.map(\.outer))
    }

    private func build(_ proto: Onnx_GraphProto, _ scope: Scope) throws(ModelError) {
        let context = scope.context
        if !scope.prefix.isEmpty { try chargeExpansion(nodes: proto.node.count, bytes: 0) }
        let initialized = try addInitializers(proto, scope)
        try addInputs(proto, scope, initialized)
        var types: [String: ValueType] = [:]
        for info in proto.valueInfo + proto.output {
            do {
                if let type = try ValueType(info.type) { types[info.name] = type }
            } catch {
                throw error.inside("the value \(quoted(info.name))")
            }
        }
        try defineOutputs(scope, types)
        try importNodes(scope)
        var outputNames: Set<String> = []
        for output in proto.output {
            guard outputNames.insert(output.name).inserted else {
                throw ModelError(.invalidModel, "the output \(quoted(output.name)) is listed twice")
            }
            guard let id = try? scope.resolve(output.name) else {
                throw ModelError(.invalidModel, "the output \(quoted(output.name)) is not produced")
            }
            if context.graph[id].type == nil { context.graph[id].type = types[output.name] }
            context.graph.outputs.append(id)
        }
        try context.finish()
    }

    private func addInitializers(_ proto: Onnx_GraphProto, _ scope: Scope) throws(ModelError) -> Set<String> {
        var names: Set<String> = []
        for tensor in proto.initializer {
            if scope.context.parent != nil { try chargeExpansion(nodes: 0, bytes: tensor.copiedByteCount) }
            do {
                try define(tensor.name, tensors.value(tensor, isInitializer: true), scope)
            } catch {
                throw error.inside("the initializer \(quoted(tensor.name))")
            }
            names.insert(tensor.name)
        }
        for sparse in proto.sparseInitializer {
            do {
                try define(sparse.values.name, tensors.value(sparse), scope)
            } catch {
                throw error.inside("the sparse initializer \(quoted(sparse.values.name))")
            }
            names.insert(sparse.values.name)
        }
        return names
    }

    private func define(_ name: String, _ value: RuntimeValue, _ scope: Scope) throws(ModelError) {
        let id = scope.context.graph.addConstant(scope.prefix + name, value, isImported: scope.prefix.isEmpty)
        scope.context.graph[id].type = ValueType(value)
        try scope.define(name, .value(id))
    }

    private func addInputs(
        _ proto: Onnx_GraphProto,
        _ scope: Scope,
        _ initialized: Set<String>
    ) throws(ModelError) {
        let isMain = scope.context.parent == nil
        var defaults = initialized
        for input in proto.input {
            if isMain, defaults.remove(input.name) != nil { continue }
            let type: ValueType?
            do throws(ModelError) {
                type = try ValueType(input.type)
                if isMain, type == nil {
                    throw ModelError(.unsupported, "it is declared as neither a tensor, a sequence nor an optional")
                }
            } catch {
                throw error.inside("the input \(quoted(input.name))")
            }
            try scope.define(
                input.name,
                .value(scope.context.graph.addInput(scope.prefix + input.name, type: type))
            )
        }
    }

    /// Makes a value for every output of the nodes of a scope, so that names resolve in any order, and the constants.
    private func defineOutputs(
        _ scope: Scope,
        _ types: [String: ValueType],
        assigned: [String: ValueID] = [:]
    ) throws(ModelError) {
        nodeCount += scope.nodes.count
        guard nodeCount <= options.maximumNodes else {
            throw ModelError(.limitExceeded, "the model has more than \(options.maximumNodes) nodes")
        }
        for node in scope.nodes {
            do {
                for name in node.output where !name.isEmpty {
                    if !scope.prefix.isEmpty {
                        try chargeExpansion(nodes: 0, bytes: name.utf8.count + scope.prefix.utf8.count)
                    }
                    let id =
                        assigned[name]
                        ?? scope.context.graph.addValue(
                            scope.prefix + name,
                            type: types[name],
                            isImported: scope.prefix.isEmpty
                        )
                    try scope.define(name, .value(id))
                }
                if isConstant(node) { try addConstant(node, scope) }
            } catch {
                throw error.at(node: scope.prefix + node.name, operatorType: node.opType)
            }
        }
    }

    private func isConstant(_ node: Onnx_NodeProto) -> Bool {
        node.opType == "Constant" && ONNXImporter.canonicalDomain(node.domain).isEmpty && functions[node] == nil
    }

    private func addConstant(_ node: Onnx_NodeProto, _ scope: Scope) throws(ModelError) {
        guard node.output.count == 1, let id = try scope.resolve(node.output[0]) else {
            throw ModelError(.invalidModel, "a constant has \(node.output.count) outputs")
        }
        let value = try constant(node, scope)
        scope.context.graph.constants[id] = value
        scope.context.graph[id].type = ValueType(value)
    }

    /// Imports the nodes of a scope and of the functions that they call.
    private func importNodes(_ scope: Scope) throws(ModelError) {
        var stack = [scope]
        while let scope = stack.last {
            guard scope.next < scope.nodes.count else {
                stack.removeLast()
                continue
            }
            let node = scope.nodes[scope.next]
            scope.next += 1
            do {
                if let function = functions[node] {
                    stack.append(try call(function, node, scope))
                } else if !isConstant(node) {
                    try add(node, scope)
                }
            } catch {
                throw error.at(node: scope.prefix + node.name, operatorType: node.opType)
            }
        }
    }

    private func add(_ proto: Onnx_NodeProto, _ scope: Scope) throws(ModelError) {
        let domain = ONNXImporter.canonicalDomain(proto.domain)
        guard !proto.opType.isEmpty else { throw ModelError(.invalidModel, "the node names no operator") }
        let node = Node(
            name: scope.prefix + proto.name,
            domain: domain,
            operatorType: proto.opType,
            inputs: try operands(proto, scope),
            outputs: try results(proto, scope),
            attributes: Attributes(try attributes(proto, scope))
        )
        if domain.isEmpty {
            guard let version = scope.opsets[""] else {
                throw ModelError(.invalidModel, "the model imports no opset of the default domain")
            }
            try NodeUpgrade.append(node, from: version, to: scope.context)
        } else if domain == NodeUpgrade.contribDomain {
            try NodeUpgrade.appendContrib(node, to: scope.context)
        } else {
            scope.context.append(node)
        }
    }

    private func operands(_ proto: Onnx_NodeProto, _ scope: Scope) throws(ModelError) -> [ValueID?] {
        var operands: [ValueID?] = []
        for name in proto.input { operands.append(name.isEmpty ? nil : try scope.resolve(name)) }
        while let last = operands.last, last == nil { operands.removeLast() }
        return operands
    }

    private func results(_ proto: Onnx_NodeProto, _ scope: Scope) throws(ModelError) -> [ValueID?] {
        try proto.output.map { name throws(ModelError) in name.isEmpty ? nil : try scope.resolve(name) }
    }

    /// The scope of a function's body, its inputs, outputs and attributes bound to those of the call.
    private func call(
        _ function: LocalFunctions.Function,
        _ node: Onnx_NodeProto,
        _ caller: Scope
    ) throws(ModelError) -> Scope {
        let proto = function.proto
        guard node.input.count <= proto.input.count, node.output.count <= proto.output.count else {
            throw ModelError(
                .invalidModel,
                "the call has \(node.input.count) inputs and \(node.output.count) outputs, the function has "
                    + "\(proto.input.count) and \(proto.output.count)"
            )
        }
        try chargeExpansion(nodes: proto.node.count + 1, bytes: 0)
        callCount += 1
        let scope = Scope(
            context: caller.context,
            lexicalParent: nil,
            nodes: proto.node,
            opsets: function.opsets,
            attributes: try boundAttributes(proto, node, caller),
            prefix: "\(String(proto.name.unicodeScalars.prefix(40).map(Character.init)))#\(callCount)/"
        )
        let operands = try operands(node, caller)
        for (index, name) in proto.input.enumerated() {
            let operand = index < operands.count ? operands[index] : nil
            try scope.define(name, operand.map { .value($0) } ?? .absent)
        }
        let produced = Set(proto.node.flatMap(\.output))
        var assigned: [String: ValueID] = [:]
        var copies: [(name: String, result: ValueID)] = []
        for (name, result) in zip(proto.output, try results(node, caller)) {
            guard let result else { continue }
            if produced.contains(name), assigned[name] == nil {
                assigned[name] = result
            } else {
                copies.append((name, result))
            }
        }
        try defineOutputs(scope, [:], assigned: assigned)
        for (name, result) in copies {
            guard let source = try scope.resolve(name) else {
                throw ModelError(.invalidModel, "the function's output \(quoted(name)) is an input that is left out")
            }
            caller.context.append(
                Node(name: scope.prefix + "output", operatorType: "Identity", inputs: [source], outputs: [result])
            )
        }
        return scope
    }

    private func boundAttributes(
        _ function: Onnx_FunctionProto,
        _ node: Onnx_NodeProto,
        _ caller: Scope
    ) throws(ModelError) -> [String: Scope.BoundAttribute] {
        var bound: [String: Scope.BoundAttribute] = [:]
        for proto in function.attributeProto {
            guard proto.refAttrName.isEmpty, !proto.hasG, proto.graphs.isEmpty else {
                throw ModelError(.unsupported, "the default of attribute \(quoted(proto.name)) is no plain value")
            }
            bound[proto.name] = Scope.BoundAttribute(proto: proto, origin: caller)
        }
        for proto in node.attribute {
            if let attribute = try caller.bound(proto) { bound[proto.name] = attribute }
        }
        return bound
    }

    /// Counts what expanding functions adds.
    ///
    /// - Throws: `ModelError` with code `limitExceeded`.
    func chargeExpansion(nodes: Int, bytes: Int) throws(ModelError) {
        expandedNodeCount += nodes
        expandedByteCount += bytes
        guard expandedNodeCount <= options.maximumExpandedNodes, expandedByteCount <= Self.maximumExpandedBytes else {
            throw ModelError(.limitExceeded, "expanding the model's functions exceeds the limit")
        }
    }
}

extension ModelError {
    /// The same error with the part of the model that it concerns.
    func inside(_ part: String) -> ModelError {
        var error = self
        error.message = "\(part): \(message)"
        return error
    }
}
