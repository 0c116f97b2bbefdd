import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor

extension GraphPass {
    /// A 1x1 convolution takes in the product before it by one factor a channel, as behind a squeeze-and-excite block,
    /// where the device has a kernel: the product is then never stored.
    package static let scale = GraphPass(
        name: "scale",
        summary: "a Mul by one factor a channel joins the kernel of the 1x1 Conv behind it, where the device has one"
    ) { graph, context throws(ModelError) in
        guard let lowering = context.lowering else { return graph }
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], node.domain.isEmpty, node.operatorType == "Conv",
                let product = node.inputs.first ?? nil, editor.soleReader(of: product) == index,
                node.inputs.filter({ $0 == product }).count == 1,
                let (position, scaling) = editor.producer(of: product), scaling.isPlain("Mul"),
                scaling.inputs.count == 2, let first = scaling.inputs[0], let second = scaling.inputs[1]
            else { continue }
            for (input, scale) in [(first, second), (second, first)] {
                let scaled = ScaledConv.node(node, input: input, scale: scale)
                guard input != scale, let call = OperatorCall(scaled, editor.graph, types),
                    ScaledConvLowering.isFaster(call, lowering)
                else { continue }
                editor.replaceNode(at: position, with: nil)
                editor.replaceNode(at: index, with: scaled)
                break
            }
        }
        return editor.result
    }
}
