import ApusGraph
import ApusTensor

/// A node of an older opset on its way to the newest form.
///
/// Operators of the default domain, and those of ONNX Runtime that stand for some of it (`appendContrib`). What has no rule
/// here is left as it is.
struct NodeUpgrade {
    /// Changes the node, or replaces it by others.
    typealias Rule = @Sendable (inout NodeUpgrade) throws(ModelError) -> Void

    /// The rules by operator; each looks at the version itself.
    private static let rules: [String: Rule] = [
        elementwiseRules, shapeRules, reductionRules, softmaxRules, normalizationRules, resizeRules, recurrentRules,
        controlFlowRules, samplingRules,
    ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }

    var node: Node
    /// The version of the default domain's opset that the node was written for.
    let version: Int
    let context: GraphContext

    /// Appends the newest form of a node to a graph.
    ///
    /// - Throws: `ModelError` if the old form is malformed or has no newer one.
    static func append(_ node: Node, from version: Int, to context: GraphContext) throws(ModelError) {
        var upgrade = NodeUpgrade(node: node, version: version, context: context)
        try rules[node.operatorType]?(&upgrade)
        context.append(upgrade.node)
    }

    // MARK: Building

    /// The name that new values of the upgrade begin with.
    private var stem: String {
        node.outputs.lazy.compactMap { $0 }.first.map { context.graph[$0].name } ?? node.name
    }

    /// A new constant.
    func constant(_ name: String, _ tensor: Tensor) -> ValueID {
        let id = context.graph.addConstant("\(stem)/\(name)", .tensor(tensor))
        context.graph[id].type = ValueType(.tensor(tensor))
        return id
    }

    /// A new one-dimensional constant of integers.
    func constant(_ name: String, _ values: [Int]) -> ValueID {
        constant(name, Tensor(vector: values.map { Int64($0) }))
    }

    /// Appends a node before the upgraded one.
    func insert(
        _ operatorType: String,
        _ inputs: [ValueID?],
        _ attributes: [String: AttributeValue] = [:]
    ) -> ValueID {
        let output = context.graph.addValue("\(stem)/\(operatorType)")
        context.append(
            Node(
                name: "\(node.name)/\(operatorType)",
                operatorType: operatorType,
                inputs: inputs,
                outputs: [output],
                attributes: Attributes(attributes)
            )
        )
        return output
    }

    /// Sets an input, with those before it left out where there were fewer.
    mutating func setInput(_ index: Int, _ id: ValueID?) {
        while node.inputs.count <= index { node.inputs.append(nil) }
        node.inputs[index] = id
        while let last = node.inputs.last, last == nil { node.inputs.removeLast() }
    }

    /// Turns a list of integers among the attributes into an input.
    mutating func moveToInput(_ attribute: String, _ index: Int) throws(ModelError) {
        guard let values = try node.attributes.ints(attribute) else { return }
        node.attributes[attribute] = nil
        setInput(index, constant(attribute, values))
    }

    /// The first input.
    ///
    /// - Throws: `ModelError` if there is none.
    func data() throws(ModelError) -> ValueID {
        guard let data = node.inputs.first ?? nil else {
            throw ModelError(.invalidModel, "the first input is missing")
        }
        return data
    }

    /// Leaves only the first output, where the others mean nothing at inference.
    mutating func keepFirstOutput() {
        node.outputs = Array(node.outputs.prefix(1))
    }

    // MARK: What is known of values

    /// The constant that a value stands for, if it is one.
    func constantTensor(_ id: ValueID?) -> Tensor? { context.graph.constantTensor(id) }

    /// The rank of a value, where the model declares it or its producer tells it.
    func rank(_ id: ValueID) -> Int? {
        if case .tensor(_, let shape?)? = context.graph[id].type { return shape.count }
        guard let producer = context.producer(id), producer.domain.isEmpty else { return nil }
        switch producer.operatorType {
        case "Flatten", "Gemm": return 2
        case "Reshape":
            return producer.inputs.count > 1 ? constantTensor(producer.inputs[1])?.elementCount : nil
        case "Relu", "Dropout", "Identity", "Softmax", "BatchNormalization":
            guard let input = producer.inputs.first ?? nil, case .tensor(_, let shape?)? = context.graph[input].type
            else { return nil }
            return shape.count
        default: return nil
        }
    }

    /// The element type of a value: declared, or that of what it was computed from.
    func elementType(_ id: ValueID) -> ElementType? {
        var current = id
        for _ in 0..<10_000 {
            if case .tensor(let type, _)? = context.graph[current].type { return type }
            guard let producer = context.producer(current), producer.domain.isEmpty else { return nil }
            var operand = 0
            switch producer.operatorType {
            case "Cast":
                guard case .int(let type)? = producer.attributes["to"] else { return nil }
                return Int32(exactly: type).flatMap { ElementType(rawValue: $0) }
            case "Shape", "Size", "NonZero", "ArgMax", "ArgMin": return .int64
            case "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not", "IsNaN",
                "IsInf":
                return .bool
            case "ConstantOfShape":
                guard case .tensor(let value)? = producer.attributes["value"] else { return .float32 }
                return value.elementType
            case "Where", "DequantizeLinear", "CastLike", "OneHot": operand = producer.operatorType == "OneHot" ? 2 : 1
            case "If", "Loop", "Scan": return nil
            default: break
            }
            guard producer.inputs.count > operand, let input = producer.inputs[operand] else { return nil }
            current = input
        }
        return nil
    }

    /// A scalar of the element type of a value.
    ///
    /// - Throws: `ModelError` if that type has no such scalar.
    func scalar(_ name: String, _ value: Float, like id: ValueID) throws(ModelError) -> ValueID {
        switch elementType(id) ?? .float32 {
        case .float32: return constant(name, Tensor(scalar: value))
        case .float64: return constant(name, Tensor(scalar: Double(value)))
        case .float16:
            let bits = Float16(value).bitPattern
            return constant(name, Tensor(TensorType(.float16, [])) { $0.storeBytes(of: bits, as: UInt16.self) })
        case let type:
            throw ModelError(.unsupported, "the attribute \"\(name)\" has no counterpart of type \(type)")
        }
    }
}
