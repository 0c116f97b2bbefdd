package import ApusGraph

/// Which lowering stands behind each operator name.
package struct LoweringTable: Sendable {
    private let types: [String: any OperatorLowering.Type]

    /// Every lowering of the engine, by ONNX name; `apus.` marks internal operators.
    package static let standard = LoweringTable(families: [
        pointwiseLowerings, movementLowerings, reductionLowerings, contractionLowerings, convolutionLowerings,
        normalizationLowerings, poolingLowerings, attentionLowerings, quantizationLowerings,
    ])

    private init(families: [[(String, any OperatorLowering.Type)]]) {
        var types: [String: any OperatorLowering.Type] = [:]
        for (name, type) in families.joined() { types[name] = type }
        self.types = types
    }

    /// The lowering of a node, `nil` where only the reference evaluates its operator.
    package func lowering(for node: Node) -> (any OperatorLowering.Type)? { types[node.displayType] }
}
