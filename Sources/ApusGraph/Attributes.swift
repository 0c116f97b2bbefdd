package import ApusTensor

/// A graph inside a node (`If`, `Loop`, `Scan`).
package struct Subgraph: Sendable {
    /// The body. Its inputs are the formal inputs, then one for each captured value.
    package var graph: Graph
    /// The values of the outer graph that the trailing inputs of the body stand for.
    package var captures: [ValueID]

    package init(graph: Graph, captures: [ValueID]) {
        self.graph = graph
        self.captures = captures
    }
}

/// The value of one attribute.
package enum AttributeValue: Sendable {
    case int(Int64)
    case float(Float)
    case string([UInt8])
    case tensor(Tensor)
    case stringTensor(StringTensor)
    case graph(Subgraph)
    case type(ValueType)
    case ints([Int64])
    case floats([Float])
    case strings([[UInt8]])
    case tensors([Tensor])
    /// The expression of a pointwise node that a pass made.
    case expression(PointwiseExpression)
}

/// The attributes of a node, by name, with typed access that refuses a wrong kind.
package struct Attributes: Sendable {
    package var values: [String: AttributeValue]

    package init(_ values: [String: AttributeValue] = [:]) {
        self.values = values
    }

    package subscript(name: String) -> AttributeValue? {
        get { values[name] }
        set { values[name] = newValue }
    }

    private func mismatch(_ name: String, _ expected: String) -> ModelError {
        ModelError(.invalidModel, "attribute \"\(name)\" is not \(expected)")
    }

    private func missing(_ name: String) -> ModelError {
        ModelError(.invalidModel, "the required attribute \"\(name)\" is missing")
    }

    package func int(_ name: String) throws(ModelError) -> Int? {
        switch values[name] {
        case nil: return nil
        case .int(let value): return Int(value)
        default: throw mismatch(name, "an integer")
        }
    }

    package func int(_ name: String, default value: Int) throws(ModelError) -> Int {
        try int(name) ?? value
    }

    package func requiredInt(_ name: String) throws(ModelError) -> Int {
        guard let value = try int(name) else { throw missing(name) }
        return value
    }

    package func bool(_ name: String, default value: Bool) throws(ModelError) -> Bool {
        try int(name).map { $0 != 0 } ?? value
    }

    package func float(_ name: String) throws(ModelError) -> Float? {
        switch values[name] {
        case nil: return nil
        case .float(let value): return value
        default: throw mismatch(name, "a float")
        }
    }

    package func float(_ name: String, default value: Float) throws(ModelError) -> Float {
        try float(name) ?? value
    }

    package func ints(_ name: String) throws(ModelError) -> [Int]? {
        switch values[name] {
        case nil: return nil
        case .ints(let value): return value.map { Int($0) }
        default: throw mismatch(name, "a list of integers")
        }
    }

    package func floats(_ name: String) throws(ModelError) -> [Float]? {
        switch values[name] {
        case nil: return nil
        case .floats(let value): return value
        case .ints(let value) where value.isEmpty: return []
        default: throw mismatch(name, "a list of floats")
        }
    }

    package func string(_ name: String) throws(ModelError) -> String? {
        switch values[name] {
        case nil: return nil
        case .string(let bytes): return String(decoding: bytes, as: UTF8.self)
        default: throw mismatch(name, "a string")
        }
    }

    package func string(_ name: String, default value: String) throws(ModelError) -> String {
        try string(name) ?? value
    }

    package func tensor(_ name: String) throws(ModelError) -> Tensor? {
        switch values[name] {
        case nil: return nil
        case .tensor(let tensor): return tensor
        default: throw mismatch(name, "a tensor")
        }
    }

    package func requiredSubgraph(_ name: String) throws(ModelError) -> Subgraph {
        switch values[name] {
        case nil: throw missing(name)
        case .graph(let subgraph): return subgraph
        default: throw mismatch(name, "a graph")
        }
    }

    /// The subgraphs, ordered by attribute name.
    package var subgraphs: [(name: String, subgraph: Subgraph)] {
        values.sorted { $0.key < $1.key }.compactMap { name, value in
            if case .graph(let subgraph) = value { (name, subgraph) } else { nil }
        }
    }
}
