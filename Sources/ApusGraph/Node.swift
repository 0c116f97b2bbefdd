/// Identifies a value within one graph.
package struct ValueID: Hashable, Sendable, Comparable {
    package let index: Int

    package init(_ index: Int) {
        self.index = index
    }

    package static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
}

/// A pointwise formula that is applied to the first output of a node before it is stored.
///
/// Operand 0 is the anchor's result; operands 1... are the node's trailing inputs, broadcast to it.
package struct Epilogue: Sendable, Hashable {
    package var expression: PointwiseExpression
    /// How many trailing inputs of the node belong to the formula.
    package var inputCount: Int

    package init(expression: PointwiseExpression, inputCount: Int) {
        self.expression = expression
        self.inputCount = inputCount
    }
}

/// One operator call: data alone. What it means is known to the operator table.
package struct Node: Sendable {
    package var name: String
    /// Empty for ONNX's default domain, `apus` for operators that passes make.
    package var domain: String
    /// The ONNX operator name, such as `Conv`.
    package var operatorType: String
    /// The operands; `nil` where an optional one is left out.
    package var inputs: [ValueID?]
    /// The results; `nil` where an optional one is not wanted.
    package var outputs: [ValueID?]
    package var attributes: Attributes
    package var epilogue: Epilogue?

    package init(
        name: String = "",
        domain: String = "",
        operatorType: String,
        inputs: [ValueID?],
        outputs: [ValueID?],
        attributes: Attributes = Attributes(),
        epilogue: Epilogue? = nil
    ) {
        self.name = name
        self.domain = domain
        self.operatorType = operatorType
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = attributes
        self.epilogue = epilogue
    }

    /// The operands of the operator itself.
    package var anchorInputs: ArraySlice<ValueID?> { inputs.dropLast(epilogue?.inputCount ?? 0) }

    /// The further operands of the epilogue.
    package var epilogueInputs: ArraySlice<ValueID?> { inputs.suffix(epilogue?.inputCount ?? 0) }

    /// Every value that the node reads, those that its subgraphs capture included.
    package var reads: [ValueID] {
        inputs.compactMap { $0 } + attributes.subgraphs.flatMap { $0.subgraph.captures }
    }

    /// Renames the values that the node reads, those that its subgraphs capture included.
    package mutating func replaceReads(_ replacement: (ValueID) -> ValueID) {
        inputs = inputs.map { $0.map(replacement) }
        for (name, var subgraph) in attributes.subgraphs {
            subgraph.captures = subgraph.captures.map(replacement)
            attributes[name] = .graph(subgraph)
        }
    }

    /// The name as messages show it.
    package var displayType: String { domain.isEmpty ? operatorType : "\(domain).\(operatorType)" }
}
