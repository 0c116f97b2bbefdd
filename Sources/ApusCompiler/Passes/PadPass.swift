import ApusGraph
import ApusTensor

extension GraphPass {
    /// A `Pad` with zeros before a convolution or an average pooling becomes padding of that node.
    package static let pad = GraphPass(
        name: "pad",
        summary: "Pad with zeros becomes padding of the convolution or average pooling behind it"
    ) { graph, _ throws(ModelError) in
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard var node = editor.nodes[index], let input = node.inputs.first, let input,
                let (position, pad) = editor.producer(of: input), editor.soleReader(of: input) == index,
                pad.domain.isEmpty, pad.operatorType == "Pad", let data = pad.inputs.first, let data,
                let rank = spatialRank(node, graph), let padding = spatialZeros(pad, rank: rank, graph),
                absorb(padding, into: &node, rank: rank)
            else { continue }
            node.inputs[0] = data
            editor.replaceNode(at: position, with: nil)
            editor.replaceNode(at: index, with: node)
        }
        return editor.result
    }

    private static func spatialRank(_ node: Node, _ graph: Graph) -> Int? {
        guard node.domain.isEmpty else { return nil }
        let kernelRank = (try? node.attributes.ints("kernel_shape"))?.count
        switch node.operatorType {
        case "AveragePool": return kernelRank
        case "Conv":
            let weights = node.inputs.count > 1 ? graph.constantTensor(node.inputs[1]) : nil
            return kernelRank ?? weights.map { $0.rank - 2 }
        default: return nil
        }
    }

    /// The padding as ONNX writes it, begins then ends; `nil` unless it adds zeros to spatial axes alone.
    private static func spatialZeros(_ pad: Node, rank: Int, _ graph: Graph) -> [Int]? {
        func constant(_ index: Int) -> Tensor? {
            pad.inputs.indices.contains(index) ? graph.constantTensor(pad.inputs[index]) : nil
        }
        func isOmitted(_ index: Int) -> Bool { !pad.inputs.indices.contains(index) || pad.inputs[index] == nil }
        guard rank > 0, (try? pad.attributes.string("mode", default: "constant")) == "constant",
            let amounts = try? constant(1)?.integers(), isOmitted(2) || (try? constant(2)?.doubles()) == [0]
        else { return nil }
        var axes = Array(0..<rank + 2)
        if !isOmitted(3) {
            guard let given = try? constant(3)?.integers() else { return nil }
            axes = given.map { $0 < 0 ? $0 &+ rank + 2 : $0 }
        }
        guard amounts.count == 2 * axes.count, Set(axes).count == axes.count else { return nil }
        var padding = [Int](repeating: 0, count: 2 * rank)
        for (index, axis) in axes.enumerated() {
            let (before, after) = (amounts[index], amounts[axes.count + index])
            guard before >= 0, after >= 0, (0..<rank + 2).contains(axis) else { return nil }
            if axis < 2 {
                guard before == 0, after == 0 else { return nil }
                continue
            }
            padding[axis - 2] = before
            padding[rank + axis - 2] = after
        }
        return padding
    }

    private static func absorb(_ padding: [Int], into node: inout Node, rank: Int) -> Bool {
        let automatic = try? node.attributes.string("auto_pad", default: "NOTSET")
        guard node.epilogue == nil, automatic == "NOTSET" || automatic == "VALID" else { return false }
        var pads = [Int](repeating: 0, count: 2 * rank)
        if automatic == "NOTSET", let given = try? node.attributes.ints("pads") {
            guard given.count == pads.count, given.allSatisfy({ $0 >= 0 }) else { return false }
            pads = given
        }
        if node.operatorType == "AveragePool" {
            guard let kernel = try? node.attributes.ints("kernel_shape"), kernel.count == rank,
                (try? node.attributes.int("ceil_mode", default: 0)) == 0,
                (try? node.attributes.int("count_include_pad", default: 0)) == 1 || pads.allSatisfy({ $0 == 0 }),
                zip(padding, kernel + kernel).allSatisfy({ $0 < $1 })
            else { return false }
            node.attributes["count_include_pad"] = .int(1)
        }
        var sums: [Int64] = []
        for (a, b) in zip(pads, padding) {
            let (sum, overflow) = a.addingReportingOverflow(b)
            guard !overflow, sum <= Int(Int32.max) else { return false }
            sums.append(Int64(sum))
        }
        node.attributes["auto_pad"] = nil
        node.attributes["pads"] = .ints(sums)
        return true
    }
}
