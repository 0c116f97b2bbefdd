import ApusGraph
import ApusOperators
import ApusTensor

extension GraphPass {
    /// An `Einsum` of one or two operands becomes transposes, reshapes and a matrix product.
    package static let einsum = GraphPass(
        name: "einsum",
        summary: "Einsum of one or two operands becomes Transpose, Reshape, ReduceSum and MatMul"
    ) { graph, context throws(ModelError) in
        guard graph.nodes.contains(where: { $0.isPlain("Einsum") }) else { return graph }
        let types = KnownTypes(graph, context)
        var result = graph
        result.nodes = []
        for node in graph.nodes {
            var expansion = EinsumExpansion(result, node)
            if node.isPlain("Einsum"), expansion.expand(types) {
                result = expansion.graph
            } else {
                result.nodes.append(node)
            }
        }
        return result
    }
}

/// The nodes that take the place of an `Einsum`.
private struct EinsumExpansion {
    private(set) var graph: Graph
    private let node: Node

    init(_ graph: Graph, _ node: Node) {
        self.graph = graph
        self.node = node
    }

    /// Appends the nodes; `false` where the equation is no single product, and nothing useful was appended.
    mutating func expand(_ types: KnownTypes) -> Bool {
        guard let output = node.outputs.first, let output, let op = try? Einsum(node) else { return false }
        let operands = node.inputs.compactMap { $0 }
        let shapes = operands.compactMap { types[$0]?.shape }
        guard operands.count == node.inputs.count, shapes.count == operands.count, operands.count <= 2,
            operands.allSatisfy({ types[$0]?.elementType.isFloatingPoint ?? false }),
            let equation = try? op.parsed(ranks: shapes.map(\.count)),
            let extents = try? op.extents(equation, shapes),
            !extents.contains(0)
        else { return false }
        for (axes, shape) in zip(equation.operands, shapes) {
            guard Set(axes).count == axes.count, zip(axes, shape).allSatisfy({ extents[$0] == $1 }) else {
                return false
            }
        }
        guard operands.count == 2 else {
            return reduce(operands[0], equation.operands[0], equation.output, into: output)
        }
        let (left, right) = (Set(equation.operands[0]), Set(equation.operands[1]))
        let kept = Set(equation.output)
        guard left.symmetricDifference(right).isSubset(of: kept) else { return false }
        let batch = equation.output.filter { left.contains($0) && right.contains($0) }
        let summed = equation.operands[0].filter { right.contains($0) && !kept.contains($0) }
        let rows = equation.output.filter { left.contains($0) && !right.contains($0) }
        let columns = equation.output.filter { right.contains($0) && !left.contains($0) }
        let a = arrange(operands[0], equation.operands[0], [batch, rows, summed], extents)
        let b = arrange(operands[1], equation.operands[1], [batch, summed, columns], extents)
        let product = append("MatMul", [a, b])
        let order = batch + rows + columns
        let isOrdered = order == equation.output
        let shaped = append("Reshape", [product, shape(order.map { extents[$0] })], isOrdered ? output : nil)
        if !isOrdered {
            let permutation = equation.output.compactMap { order.firstIndex(of: $0) }
            _ = append("Transpose", [shaped], output, ["perm": .ints(permutation.map { Int64($0) })])
        }
        return true
    }

    /// One operand with axes merged and in another order.
    private mutating func reduce(_ id: ValueID, _ axes: [Int], _ target: [Int], into output: ValueID) -> Bool {
        guard Set(target).isSubset(of: Set(axes)) else { return false }
        let summed = axes.indices.filter { !target.contains(axes[$0]) }
        var current = id
        let rest = axes.filter { target.contains($0) }
        if !summed.isEmpty {
            current = append(
                "ReduceSum",
                [id, shape(summed)],
                rest == target ? output : nil,
                ["keepdims": .int(0)]
            )
            if rest == target { return true }
        }
        let permutation = target.compactMap { rest.firstIndex(of: $0) }
        _ = append("Transpose", [current], output, ["perm": .ints(permutation.map { Int64($0) })])
        return true
    }

    /// An operand as `[batch, rows, columns]`, each of them several axes.
    private mutating func arrange(
        _ id: ValueID,
        _ axes: [Int],
        _ groups: [[Int]],
        _ extents: [Int]
    ) -> ValueID {
        let permutation = groups.joined().compactMap { axes.firstIndex(of: $0) }
        let moved = append("Transpose", [id], nil, ["perm": .ints(permutation.map { Int64($0) })])
        return append("Reshape", [moved, shape(groups.map { $0.reduce(1) { $0 * extents[$1] } })])
    }

    private mutating func shape(_ extents: [Int]) -> ValueID {
        graph.addConstant(node.name + "_shape", .tensor(Tensor(vector: extents.map { Int64($0) })))
    }

    private mutating func append(
        _ type: String,
        _ inputs: [ValueID],
        _ output: ValueID? = nil,
        _ attributes: [String: AttributeValue] = [:]
    ) -> ValueID {
        let output = output ?? graph.addValue("\(node.name)_\(type)")
        graph.nodes.append(
            Node(
                name: node.name,
                operatorType: type,
                inputs: inputs,
                outputs: [output],
                attributes: Attributes(attributes)
            )
        )
        return output
    }
}
