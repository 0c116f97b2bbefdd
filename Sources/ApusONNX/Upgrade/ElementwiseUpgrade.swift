import ApusGraph
import ApusTensor

extension NodeUpgrade {
    static let elementwiseRules: [String: Rule] = [
        "Add": broadcast, "Sub": broadcast, "Mul": broadcast, "Div": broadcast, "Pow": broadcast, "And": broadcast,
        "Or": broadcast, "Xor": broadcast, "Equal": broadcast, "Greater": broadcast, "Less": broadcast,
        "PRelu": slope, "Clip": bounds, "Cast": castTarget, "Dropout": dropout,
    ]

    /// Opset 7 replaced `broadcast` and `axis` by NumPy's rule.
    private static func broadcast(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 7 else { return }
        let isBroadcast = try upgrade.node.attributes.bool("broadcast", default: false)
        let axis = try upgrade.node.attributes.int("axis")
        upgrade.node.attributes["broadcast"] = nil
        upgrade.node.attributes["axis"] = nil
        if isBroadcast, let axis, axis != -1 { try upgrade.align(secondInputAt: axis) }
    }

    /// Since opset 7 a slope broadcasts to the input; before, it belonged to axis 1.
    private static func slope(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 7 else { return }
        if upgrade.node.inputs.count == 2, upgrade.constantTensor(upgrade.node.inputs[1])?.elementCount == 1 { return }
        try upgrade.align(secondInputAt: 1)
    }

    /// Appends axes of extent 1 to the second input so that its first axis meets the given one of the first.
    private mutating func align(secondInputAt axis: Int) throws(ModelError) {
        guard node.inputs.count == 2, let first = node.inputs[0], let second = node.inputs[1] else {
            throw ModelError(.invalidModel, "expected 2 inputs, found \(node.inputs.count)")
        }
        if let rank = rank(first), let secondRank = self.rank(second) {
            let start = axis < 0 ? axis + rank : axis
            guard (0...rank).contains(start), start + secondRank <= rank else {
                throw ModelError(.invalidModel, "axis \(axis) does not place rank \(secondRank) within rank \(rank)")
            }
            guard start + secondRank < rank else { return }
            let ones = [Int](repeating: 1, count: rank - start - secondRank)
            if let tensor = constantTensor(second) {
                node.inputs[1] = constant("aligned", try tensor.reshaped(tensor.shape + ones))
            } else {
                let axes = constant("axes", Array(secondRank..<rank - start))
                node.inputs[1] = insert("Unsqueeze", [second, axes])
            }
            return
        }
        guard axis >= 0 else { throw ModelError(.unsupported, "a negative axis needs a known rank") }
        let shape = insert("Shape", [second])
        let rank = insert("Shape", [insert("Shape", [first])])
        let used = insert("Add", [insert("Shape", [shape]), constant("axis", [axis])])
        let ones = insert(
            "ConstantOfShape",
            [insert("Sub", [rank, used])],
            ["value": .tensor(Tensor(vector: [1 as Int64]))]
        )
        node.inputs[1] = insert("Reshape", [second, insert("Concat", [shape, ones], ["axis": .int(0)])])
    }

    /// Opset 11 turned `min` and `max` into inputs.
    private static func bounds(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 11 else { return }
        let data = try upgrade.data()
        for (index, name) in [(1, "min"), (2, "max")] {
            guard let bound = try upgrade.node.attributes.float(name) else { continue }
            upgrade.node.attributes[name] = nil
            if abs(bound) == Float.greatestFiniteMagnitude { continue }
            upgrade.setInput(index, try upgrade.scalar(name, bound, like: data))
        }
    }

    /// Opset 6 replaced the name of the target type by its number.
    private static func castTarget(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard case .string(let bytes)? = upgrade.node.attributes["to"] else { return }
        let name = String(decoding: bytes, as: UTF8.self)
        let types: [String: ElementType] = [
            "FLOAT": .float32, "UINT8": .uint8, "INT8": .int8, "UINT16": .uint16, "INT16": .int16, "INT32": .int32,
            "INT64": .int64, "STRING": .string, "BOOL": .bool, "FLOAT16": .float16, "DOUBLE": .float64,
            "UINT32": .uint32, "UINT64": .uint64, "COMPLEX64": .complex64, "COMPLEX128": .complex128,
        ]
        guard let type = types[name.uppercased()] else {
            throw ModelError(.invalidModel, "the type \(quoted(name)) is unknown")
        }
        upgrade.node.attributes["to"] = .int(Int64(type.rawValue))
    }

    /// Opset 7 dropped `is_test` and opset 12 made the ratio an input; inference needs neither.
    private static func dropout(_ upgrade: inout NodeUpgrade) throws(ModelError) {
        guard upgrade.version < 12 else { return }
        for name in ["is_test", "ratio", "consumed_inputs"] { upgrade.node.attributes[name] = nil }
        upgrade.node.inputs = [try upgrade.data()]
    }
}
