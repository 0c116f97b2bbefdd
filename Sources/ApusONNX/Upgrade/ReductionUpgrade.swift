import ApusGraph
import ApusTensor

extension NodeUpgrade {
    static let reductionRules: [String: Rule] = [
        "ReduceL1": reduction, "ReduceL2": reduction, "ReduceLogSum": reduction, "ReduceLogSumExp": reduction,
        "ReduceMax": reduction, "ReduceMean": reduction, "ReduceMin": reduction, "ReduceProd": reduction,
        "ReduceSum": reduction, "ReduceSumSquare": reduction,
    ]

    /// `axes` became an input with opset 18, that of `ReduceSum` with opset 13.
    private static func reduction(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < (upgrade.node.operatorType == "ReduceSum" ? 13 : 18) else { return }
        if try upgrade.node.attributes.ints("axes")?.isEmpty == true { upgrade.node.attributes["axes"] = nil }
        try upgrade.moveToInput("axes", 1)
    }

    static let softmaxRules: [String: Rule] = ["Softmax": softmax, "LogSoftmax": softmax, "Hardmax": softmax]

    /// Before opset 13 the axes from `axis` on were one.
    private static func softmax(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 13 else { return }
        let axis = try upgrade.node.attributes.int("axis", default: 1)
        let data = try upgrade.data()
        if axis == -1 || upgrade.rank(data).map({ axis == $0 - 1 }) ?? false {
            upgrade.node.attributes["axis"] = .int(-1)
            return
        }
        let shape = upgrade.insert("Shape", [data])
        let matrix = upgrade.insert("Flatten", [data], ["axis": .int(Int64(axis))])
        let result = upgrade.insert(upgrade.node.operatorType, [matrix], ["axis": .int(-1)])
        upgrade.node.operatorType = "Reshape"
        upgrade.node.inputs = [result, shape]
        upgrade.node.attributes = Attributes(["allowzero": .int(1)])
    }
}
