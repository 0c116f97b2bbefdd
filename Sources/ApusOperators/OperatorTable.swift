package import ApusGraph
package import ApusTensor

/// Which type stands behind each operator name.
package struct OperatorTable: Sendable {
    /// An operator's name within its domain; ONNX's default domain is empty.
    package struct Key: Hashable, Sendable, Comparable {
        package var domain: String
        package var name: String

        package static func < (a: Key, b: Key) -> Bool { (a.domain, a.name) < (b.domain, b.name) }
    }

    package let types: [Key: any Operator.Type]

    /// Every operator of the engine.
    package static let standard = OperatorTable(families: [
        pointwiseOperators, shapeOperators, reductionOperators, contractionOperators, convolutionOperators,
        normalizationOperators, attentionOperators, controlFlowOperators, quantizationOperators,
    ])

    private init(families: [[(String, any Operator.Type)]]) {
        var types: [Key: any Operator.Type] = ["apus": "Pointwise"].reduce(into: [:]) {
            $0[Key(domain: $1.key, name: $1.value)] = PointwiseNode.self
        }
        for (name, type) in internalQuantizationOperators { types[Key(domain: "apus", name: name)] = type }
        for (name, type) in families.joined() {
            let isInternal = name.hasPrefix("apus.")
            types[Key(domain: isInternal ? "apus" : "", name: String(name.dropFirst(isInternal ? 5 : 0)))] = type
        }
        self.types = types
    }

    /// Whether the operator is known.
    package func contains(_ node: Node) -> Bool { types[Key(domain: node.domain, name: node.operatorType)] != nil }

    /// The typed operator of a node, wrapped so that the node's epilogue is applied as well.
    ///
    /// - Throws: `ModelError` that names the node, if its operator is unknown or an attribute is wrong.
    package func makeOperator(_ node: Node) throws(ModelError) -> any Operator {
        guard let type = types[Key(domain: node.domain, name: node.operatorType)] else {
            throw ModelError(.unsupported, "the operator is not supported")
                .at(node: node.name, operatorType: node.displayType)
        }
        do {
            guard let epilogue = node.epilogue else { return try type.init(node) }
            var anchor = node
            anchor.inputs = Array(node.anchorInputs)
            anchor.epilogue = nil
            return FusedOperator(anchor: try type.init(anchor), epilogue: epilogue)
        } catch {
            throw error.at(node: node.name, operatorType: node.displayType)
        }
    }
}
