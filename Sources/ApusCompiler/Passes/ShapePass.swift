import ApusGraph
import ApusTensor

extension GraphPass {
    /// `Shape` and `Size` of values whose shape is known become constants.
    package static let shape = GraphPass(
        name: "shape",
        summary: "Shape and Size of values with known shapes become constants"
    ) { graph, context throws(ModelError) in
        guard graph.nodes.contains(where: { $0.isShapeQuery }) else { return graph }
        let types = KnownTypes(graph, context)
        var result = graph
        result.nodes = []
        for node in graph.nodes {
            guard node.isShapeQuery, let type = types[node.inputs.first ?? nil], let output = node.outputs.first,
                let output, let value = answer(node, type)
            else {
                result.nodes.append(node)
                continue
            }
            result.constants[output] = .tensor(value)
        }
        return result
    }

    private static func answer(_ node: Node, _ type: TensorType) -> Tensor? {
        if node.operatorType == "Size" { return Tensor(scalar: Int64(type.elementCount)) }
        guard let start = try? node.attributes.int("start", default: 0),
            let end = try? node.attributes.int("end", default: type.rank)
        else { return nil }
        func position(_ axis: Int) -> Int { min(max(axis < 0 ? axis + type.rank : axis, 0), type.rank) }
        let first = position(start)
        return Tensor(vector: type.shape[first..<max(first, position(end))].map { Int64($0) })
    }
}

extension Node {
    fileprivate var isShapeQuery: Bool {
        domain.isEmpty && (operatorType == "Shape" || operatorType == "Size") && epilogue == nil
    }
}
