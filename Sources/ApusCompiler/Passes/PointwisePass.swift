import ApusGraph
import ApusTensor

extension GraphPass {
    /// Trees of pointwise nodes over equally many elements become one `apus.Pointwise` node.
    package static let pointwise = GraphPass(
        name: "pointwise",
        summary: "trees of pointwise nodes become one node with a formula"
    ) { graph, context throws(ModelError) in
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard var node = editor.nodes[index], let output = node.outputs.first, let output,
                let result = types[output], var formula = ValueFormula(node, context.table)
            else { continue }
            while let (position, merged) = mergeOne(formula, at: index, result, editor, types, context) {
                formula = merged
                node = Node(
                    name: node.name,
                    domain: "apus",
                    operatorType: "Pointwise",
                    inputs: formula.operands,
                    outputs: [output],
                    attributes: Attributes(["expression": .expression(formula.expression)])
                )
                editor.replaceNode(at: position, with: nil)
                editor.replaceNode(at: index, with: node)
            }
        }
        return editor.result
    }

    /// The formula with one of its producers merged in, and the producer's position.
    private static func mergeOne(
        _ formula: ValueFormula,
        at index: Int,
        _ result: TensorType,
        _ editor: GraphEditor,
        _ types: KnownTypes,
        _ context: PassContext
    ) -> (Int, ValueFormula)? {
        for id in formula.operands {
            guard let (position, producer) = editor.producer(of: id), let type = types[id],
                type.elementCount == result.elementCount, ValueFormula.elementTypes.contains(type.elementType),
                editor.soleReader(of: id) == index,
                let inner = ValueFormula(producer, context.table), inner.type(types) == type,
                let merged = formula.substituting(id, inner)?.inliningScalars(editor.graph, types, result: result),
                merged.isWithinLimits, merged.type(types) == result
            else { continue }
            return (position, merged)
        }
        return nil
    }
}
