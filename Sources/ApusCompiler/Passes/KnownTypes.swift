package import ApusGraph
import ApusOperators
package import ApusTensor

/// The tensor types of a graph's values as far as they are certain.
///
/// Certain are constants, bound types, inputs that are declared without symbols, and what shape rules derive from them.
/// Declarations of other values are not trusted.
package struct KnownTypes: Sendable {
    package private(set) var types: [ValueID: TensorType]

    package init(_ graph: Graph, _ context: PassContext) {
        types = context.types
        for id in graph.inputs where context.inputsAreChecked && types[id] == nil {
            guard case .tensor(let elementType, let dimensions?)? = graph[id].type else { continue }
            let shape = dimensions.compactMap { if case .known(let extent) = $0 { extent } else { nil } }
            let type = TensorType(elementType, shape)
            if shape.count == dimensions.count, (try? type.validated()) != nil { types[id] = type }
        }
        for (id, value) in graph.constants {
            if case .tensor(let tensor) = value { types[id] = tensor.type }
        }
        for node in graph.nodes where node.outputs.contains(where: { $0.map { types[$0] == nil } ?? false }) {
            derive(node, graph, context.table)
        }
    }

    private mutating func derive(_ node: Node, _ graph: Graph, _ table: OperatorTable) {
        guard node.attributes.subgraphs.isEmpty else { return }
        var facts: [ValueFact?] = []
        for id in node.inputs {
            guard let id else {
                facts.append(nil)
                continue
            }
            guard let type = types[id] else { return }
            facts.append(.tensor(type, graph.constantTensor(id)))
        }
        guard let op = try? table.makeOperator(node), let results = try? op.infer(facts) else { return }
        for (id, fact) in zip(node.outputs, results) {
            guard let id, types[id] == nil, let type = fact.type, (try? type.validated()) != nil else { continue }
            types[id] = type
        }
    }

    package subscript(id: ValueID?) -> TensorType? { id.flatMap { types[$0] } }
}
