import ApusGraph
import ApusTensor

extension NodeUpgrade {
    static let normalizationRules: [String: Rule] = [
        "BatchNormalization": batchNormalization, "GroupNormalization": groupNormalization, "Gemm": gemm,
    ]

    /// Opset 7 dropped `is_test`, opset 9 `spatial`, opset 14 the statistics of a batch.
    private static func batchNormalization(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 14 else { return }
        if upgrade.version < 9, try upgrade.node.attributes.bool("spatial", default: true) == false {
            throw ModelError(.unsupported, "statistics for every position (spatial = 0) are not supported")
        }
        for name in ["is_test", "spatial", "consumed_inputs"] { upgrade.node.attributes[name] = nil }
        upgrade.keepFirstOutput()
    }

    /// Opset 7 dropped `broadcast`.
    private static func gemm(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        if upgrade.version < 7 { upgrade.node.attributes["broadcast"] = nil }
    }

    /// Opset 21 has a scale and a bias for every channel, before there was one for every group.
    private static func groupNormalization(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 21 else { return }
        let groups = try upgrade.node.attributes.requiredInt("num_groups")
        guard upgrade.node.inputs.count == 3, groups > 0 else {
            throw ModelError(.invalidModel, "expected 3 inputs and a positive num_groups")
        }
        let data = try upgrade.data()
        let channels = upgrade.insert("Shape", [data], ["start": .int(1), "end": .int(2)])
        let extent = upgrade.insert("Div", [channels, upgrade.constant("groups", [groups])])
        let target = upgrade.insert("Concat", [upgrade.constant("one", [1]), extent], ["axis": .int(0)])
        let column = upgrade.constant("column", [-1, 1])
        let flat = upgrade.constant("flat", [-1])
        for index in 1...2 {
            let perGroup = upgrade.insert("Reshape", [upgrade.node.inputs[index], column])
            upgrade.node.inputs[index] = upgrade.insert(
                "Reshape",
                [upgrade.insert("Expand", [perGroup, target]), flat]
            )
        }
    }

    static let recurrentRules: [String: Rule] = ["LSTM": recurrent, "GRU": recurrent, "RNN": recurrent]

    /// Opset 7 dropped `output_sequence`.
    private static func recurrent(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        if upgrade.version < 7 { upgrade.node.attributes["output_sequence"] = nil }
    }
}
