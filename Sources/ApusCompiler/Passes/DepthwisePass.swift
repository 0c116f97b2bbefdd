import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor

extension GraphPass {
    /// A convolution and the depthwise convolution that alone reads its result become one `apus.ConvDepthwise`, where
    /// the device that the graph is planned for gains by it.
    package static let depthwise = GraphPass(
        name: "depthwise",
        summary: "a Conv joins the kernel of the depthwise Conv behind it, where the device gains by it"
    ) { graph, context throws(ModelError) in
        guard let lowering = context.lowering else { return graph }
        let types = KnownTypes(graph, context)
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], isConvolution(node), let middle = node.inputs[0],
                let (position, first) = editor.producer(of: middle), isConvolution(first),
                editor.soleReader(of: middle) == index, node.inputs.filter({ $0 == middle }).count == 1,
                let fused = ConvDepthwise.node(first, node), let call = OperatorCall(fused, editor.graph, types),
                ConvDepthwiseLowering.isFaster(call, lowering)
            else { continue }
            editor.replaceNode(at: position, with: nil)
            editor.replaceNode(at: index, with: fused)
        }
        return editor.result
    }

    private static func isConvolution(_ node: Node) -> Bool {
        node.domain.isEmpty && node.operatorType == "Conv" && node.inputs.count > 1 && node.outputs.count == 1
    }
}
