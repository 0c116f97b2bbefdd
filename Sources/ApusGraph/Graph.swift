package import ApusTensor

/// A value of a graph: produced once, by a node, as an input or as a constant.
package struct Value: Sendable {
    package var name: String
    /// What the model declares or a pass derived; `nil` where nothing is known.
    package var type: ValueType?
    /// Whether the value equals the imported value of the same name; `compare` judges only such values.
    package var isImported: Bool

    package init(name: String, type: ValueType? = nil, isImported: Bool = false) {
        self.name = name
        self.type = type
        self.isImported = isImported
    }
}

/// A network in static single assignment form, with value semantics.
///
/// Invariants: nodes stand in topological order; every value has one producer. Values keep their identity under passes;
/// a value that nothing produces any more stays in `values` and is ignored.
package struct Graph: Sendable {
    package var name: String
    package private(set) var values: [Value] = []
    package var nodes: [Node] = []
    package var inputs: [ValueID] = []
    package var outputs: [ValueID] = []
    package var constants: [ValueID: RuntimeValue] = [:]
    /// Constants that may change between runs: neither folded nor hoisted.
    package var variables: Set<ValueID> = []

    package init(name: String = "") {
        self.name = name
    }

    package subscript(id: ValueID) -> Value {
        get { values[id.index] }
        set { values[id.index] = newValue }
    }

    /// Adds a value without a producer.
    package mutating func addValue(_ name: String, type: ValueType? = nil, isImported: Bool = false) -> ValueID {
        values.append(Value(name: name, type: type, isImported: isImported))
        return ValueID(values.count - 1)
    }

    /// Adds a constant.
    package mutating func addConstant(_ name: String, _ value: RuntimeValue, isImported: Bool = false) -> ValueID {
        let id = addValue(name, isImported: isImported)
        constants[id] = value
        return id
    }

    /// Adds a graph input.
    package mutating func addInput(_ name: String, type: ValueType?) -> ValueID {
        let id = addValue(name, type: type, isImported: true)
        inputs.append(id)
        return id
    }

    /// Adds a node with new output values and returns them.
    @discardableResult
    package mutating func addNode(
        _ operatorType: String,
        domain: String = "",
        name: String = "",
        inputs: [ValueID?],
        attributes: [String: AttributeValue] = [:],
        outputNames: [String]
    ) -> [ValueID] {
        let outputs = outputNames.map { addValue($0) }
        nodes.append(
            Node(
                name: name,
                domain: domain,
                operatorType: operatorType,
                inputs: inputs,
                outputs: outputs,
                attributes: Attributes(attributes)
            )
        )
        return outputs
    }

    /// The numeric constant a value stands for, if it is one and not variable.
    package func constantTensor(_ id: ValueID?) -> Tensor? {
        guard let id, !variables.contains(id), case .tensor(let tensor)? = constants[id] else { return nil }
        return tensor
    }
}
