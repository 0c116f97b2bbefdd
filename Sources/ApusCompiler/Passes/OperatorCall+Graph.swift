import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor

extension OperatorCall {
    /// The call of a node with canonical layouts, as passes ask lowerings about it; `nil` where a type is not known.
    init?(_ node: Node, _ graph: Graph, _ types: KnownTypes) {
        var operands: [Operand?] = []
        for id in node.inputs + node.outputs {
            guard let id else {
                operands.append(nil)
                continue
            }
            guard let type = types[id] else { return nil }
            let layout = Layout.canonical(type.shape)
            operands.append(Operand(id: id, type: type, layout: layout, value: graph.constantTensor(id)))
        }
        var anchor = node
        anchor.epilogue = nil
        anchor.inputs = Array(node.anchorInputs)
        guard let made = try? OperatorTable.standard.makeOperator(anchor) else { return nil }
        self.init(
            node: node,
            anchor: made,
            inputs: Array(operands.prefix(node.inputs.count)),
            outputs: Array(operands.dropFirst(node.inputs.count))
        )
    }
}
