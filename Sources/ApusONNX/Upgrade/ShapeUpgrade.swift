import ApusGraph
import ApusTensor

extension NodeUpgrade {
    static let shapeRules: [String: Rule] = [
        "Squeeze": axes, "Unsqueeze": axes, "Slice": slice, "Pad": pad, "Split": split, "TopK": topK,
        "Scatter": scatter, "ConstantFill": constantFill, "DFT": transformAxis,
    ]

    /// Opset 13 turned `axes` into an input.
    private static func axes(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 13 else { return }
        try upgrade.moveToInput("axes", 1)
    }

    /// Opset 10 turned `starts`, `ends` and `axes` into inputs.
    private static func slice(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 10 else { return }
        for (index, name) in ["starts", "ends", "axes"].enumerated() { try upgrade.moveToInput(name, index + 1) }
    }

    /// Opset 11 turned `pads` and `value` into inputs; opset 1 called the first `paddings`.
    private static func pad(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 11 else { return }
        try upgrade.moveToInput("paddings", 1)
        try upgrade.moveToInput("pads", 1)
        let value = try upgrade.node.attributes.float("value") ?? 0
        upgrade.node.attributes["value"] = nil
        if value != 0 { upgrade.setInput(2, try upgrade.scalar("value", value, like: upgrade.data())) }
    }

    /// Opset 13 turned `split` into an input; opset 18 counts equal parts by `num_outputs`.
    private static func split(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        if upgrade.version < 13 { try upgrade.moveToInput("split", 1) }
        if upgrade.version < 18, upgrade.node.inputs.count < 2 {
            upgrade.node.attributes["num_outputs"] = .int(Int64(upgrade.node.outputs.count))
        }
    }

    /// Opset 10 turned `k` into an input.
    private static func topK(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 10 else { return }
        let count = try upgrade.node.attributes.requiredInt("k")
        upgrade.node.attributes["k"] = nil
        upgrade.setInput(1, upgrade.constant("k", [count]))
    }

    /// Opset 11 renamed the operator.
    private static func scatter(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        upgrade.node.operatorType = "ScatterElements"
    }

    /// An experimental operator that opset 10 removed.
    private static func constantFill(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 10 else { return }
        let attributes = upgrade.node.attributes
        var shape: ValueID
        if let input = upgrade.node.inputs.first ?? nil {
            let isShape = try attributes.bool("input_as_shape", default: false)
            shape = isShape ? upgrade.insert("Cast", [input], ["to": .int(7)]) : upgrade.insert("Shape", [input])
        } else {
            shape = upgrade.constant("shape", try attributes.ints("shape") ?? [])
        }
        if let extra = try attributes.ints("extra_shape"), !extra.isEmpty {
            shape = upgrade.insert("Concat", [shape, upgrade.constant("extra_shape", extra)], ["axis": .int(0)])
        }
        let value = try attributes.float("value", default: 0)
        let element: Tensor
        switch try attributes.int("dtype", default: 1) {
        case 1: element = Tensor(vector: [value])
        case 6: element = Tensor(vector: [Int32(exactly: value) ?? 0])
        case 7: element = Tensor(vector: [Int64(exactly: value) ?? 0])
        case let type: throw ModelError(.unsupported, "ConstantFill of data type \(type) is not supported")
        }
        upgrade.node.operatorType = "ConstantOfShape"
        upgrade.node.inputs = [shape]
        upgrade.node.attributes = Attributes(["value": .tensor(element)])
    }

    /// Opset 20 turned `axis` into an input and changed its default.
    private static func transformAxis(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 20 else { return }
        let axis = try upgrade.node.attributes.int("axis", default: 1)
        upgrade.node.attributes["axis"] = nil
        upgrade.setInput(2, upgrade.constant("axis", Tensor(scalar: Int64(axis))))
    }
}
