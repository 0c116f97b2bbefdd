import ApusGraph
import ApusOperators
import ApusTensor

extension GraphPass {
    /// `DequantizeLinear ... QuantizeLinear` round a node becomes one node that computes with integers.
    ///
    /// Products with constant weights (`Conv`, `Gemm`, `MatMul`) and global averages become `apus.Quantized...` nodes
    /// whose epilogue holds what follows up to the `QuantizeLinear`; nodes that only move values move the bytes; other
    /// pointwise nodes become one formula over bytes. `QLinearConv` and `QLinearMatMul` become the same nodes.
    package static let quantization = GraphPass(
        name: "quantization",
        summary: "QuantizeLinear and DequantizeLinear round a node become an integer node"
    ) { graph, context throws(ModelError) in
        var folding = QuantizationFolding(graph, context)
        for index in folding.editor.nodes.indices { try folding.foldNode(at: index) }
        folding.writeRest()
        return folding.editor.result
    }
}

/// A graph whose quantized parts are being folded, node after node.
struct QuantizationFolding {
    var editor: GraphEditor
    let table: OperatorTable
    let types: KnownTypes

    init(_ graph: Graph, _ context: PassContext) {
        editor = GraphEditor(graph)
        table = context.table
        types = KnownTypes(graph, context)
    }

    mutating func foldNode(at index: Int) throws(ModelError) {
        guard let node = editor.nodes[index], node.domain.isEmpty, node.epilogue == nil else { return }
        switch node.operatorType {
        case "QuantizeLinear":
            guard let output = LinearParameters(node, editor.graph, isByte: true) else { return }
            if foldMovement(index, node, output) { return }
            try foldRegion(index, node, output)
        case "QLinearConv", "QLinearMatMul": try foldQuantizedLinear(index, node)
        default: break
        }
    }

    /// Per-tensor quantizations of bytes that are left become formulas, which other passes can fuse.
    mutating func writeRest() {
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], node.domain.isEmpty, node.epilogue == nil,
                let input = node.inputs.first, let input, let output = node.outputs.first, let output
            else { continue }
            if node.operatorType == "QuantizeLinear",
                let parameters = LinearParameters(node, editor.graph, isByte: true), let type = parameters.type
            {
                let quotient = PointwiseExpression.input(0) / .constant(Double(parameters.scale))
                let formula = quotient.roundedToFloat32
                    .quantized(zeroPoint: Double(parameters.zeroPoint), to: type)
                guard types[input]?.elementType ?? .float32 == .float32 else { continue }
                editor.replaceNode(at: index, with: pointwise(node.name, formula, [input], output))
            } else if let source = dequantized(output), editor.graph.constants[source.value] == nil {
                let formula = PointwiseExpression.input(0)
                    .dequantized(zeroPoint: Double(source.zeroPoint), scale: source.scale)
                editor.replaceNode(at: index, with: pointwise(node.name, formula, [source.value], output))
            }
        }
    }

    func pointwise(
        _ name: String,
        _ expression: PointwiseExpression,
        _ operands: [ValueID],
        _ output: ValueID
    ) -> Node {
        Node(
            name: name,
            domain: "apus",
            operatorType: "Pointwise",
            inputs: operands,
            outputs: [output],
            attributes: Attributes(["expression": .expression(expression)])
        )
    }

    /// The bytes behind a value that a per-tensor `DequantizeLinear` produces.
    func dequantized(_ id: ValueID?) -> QuantizedValue? {
        guard let (position, node) = editor.producer(of: id), node.domain.isEmpty,
            node.operatorType == "DequantizeLinear", let value = node.inputs.first, let value,
            let type = elementType(of: value), type.isByte,
            let parameters = LinearParameters(node, editor.graph, isByte: false), parameters.type ?? type == type
        else { return nil }
        return QuantizedValue(
            value: value,
            type: type,
            scale: parameters.scale,
            zeroPoint: parameters.zeroPoint,
            position: position
        )
    }

    /// The element type of a value, where it is certain.
    func elementType(of id: ValueID) -> ElementType? {
        if let type = types[id]?.elementType { return type }
        guard let (_, node) = editor.producer(of: id) else {
            guard editor.graph.inputs.contains(id), case .tensor(let type, _)? = editor.graph[id].type else {
                return nil
            }
            return type
        }
        if case .cast(let type, _)? = node.epilogue?.expression { return type }
        switch node.displayType {
        case "QuantizeLinear": return LinearParameters(node, editor.graph, isByte: true)?.type
        case "apus.Pointwise":
            if case .expression(.cast(let type, _))? = node.attributes["expression"] { return type }
            return nil
        case _ where Self.movements.contains(node.displayType):
            return node.inputs.first.flatMap { $0 }.flatMap { elementType(of: $0) }
        default: return nil
        }
    }

    /// Removes the node of a value that nothing reads any more.
    mutating func removeUnread(_ position: Int) {
        guard let node = editor.nodes[position], node.outputs.allSatisfy({ $0.map { !editor.isRead($0) } ?? true })
        else { return }
        editor.replaceNode(at: position, with: nil)
    }

    /// Operators that give elements of their first input on.
    static let movements: Set<String> = [
        "MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Concat", "Slice", "Expand", "Gather",
        "DepthToSpace", "SpaceToDepth", "Tile", "Identity",
    ]

    /// A movement between two quantizations moves the bytes; where their parameters differ, a formula follows.
    private mutating func foldMovement(_ index: Int, _ node: Node, _ output: LinearParameters) -> Bool {
        guard let input = node.inputs.first, let input, let result = node.outputs.first, let result,
            let (position, original) = editor.producer(of: input), original.domain.isEmpty,
            Self.movements.contains(original.operatorType), original.outputs.compactMap({ $0 }).count == 1,
            editor.soleReader(of: input) == index, original.epilogue == nil
        else { return false }
        var movement = original
        let count = original.operatorType == "Concat" ? original.inputs.count : 1
        var sources: [QuantizedValue] = []
        for place in 0..<count {
            guard let source = dequantized(original.inputs[place]) else { return false }
            sources.append(source)
            movement.inputs[place] = source.value
        }
        let first = sources[0]
        guard sources.allSatisfy({ $0.hasParameters(of: first) }), first.type == output.type else { return false }
        if first.scale == output.scale, first.zeroPoint == output.zeroPoint {
            movement.outputs = [result]
            editor.replaceNode(at: position, with: nil)
            editor.replaceNode(at: index, with: movement)
        } else {
            let moved = editor.addValue(editor.graph[input].name + "_moved")
            movement.outputs = [moved]
            let shifted = PointwiseExpression.cast(.float32, .input(0)) - .constant(Double(first.zeroPoint))
            let formula = (shifted * .constant(Double(first.scale / output.scale))).roundedToFloat32
                .quantized(zeroPoint: Double(output.zeroPoint), to: first.type)
            editor.replaceNode(at: position, with: movement)
            editor.replaceNode(at: index, with: pointwise(node.name, formula, [moved], result))
        }
        for source in sources { removeUnread(source.position) }
        return true
    }
}

/// The constant parameters of a per-tensor `QuantizeLinear` or `DequantizeLinear`.
struct LinearParameters {
    let scale: Float
    let zeroPoint: Int
    /// The type of the quantized values; `nil` where a `DequantizeLinear` names no zero point.
    let type: ElementType?

    /// - Parameter isByte: whether the type must be known to be int8 or uint8.
    /// - Returns: `nil` for other than constant single elements, a scale that is not finite and positive, or types that
    ///   are not float32 outside.
    init?(_ node: Node, _ graph: Graph, isByte: Bool) {
        guard node.inputs.count >= 2, let scale = graph.constantTensor(node.inputs[1]), scale.elementType == .float32,
            scale.elementCount == 1, scale.rank <= 1, let value = try? scale.floats().first, value.isFinite, value > 0,
            (try? node.attributes.int("block_size", default: 0)) == 0,
            let output = try? node.attributes.int("output_dtype", default: 0),
            (try? node.attributes.int("precision", default: 0)) == 0
        else { return nil }
        self.scale = value
        var type: ElementType?
        if node.inputs.count > 2, let id = node.inputs[2] {
            guard let tensor = graph.constantTensor(id), tensor.elementType.isInteger,
                let value = try? tensor.integers().first
            else { return nil }
            zeroPoint = value
            type = tensor.elementType
        } else {
            zeroPoint = 0
        }
        if node.operatorType == "QuantizeLinear" {
            type = type ?? (output == 0 ? .uint8 : ElementType(rawValue: Int32(clamping: output)))
        } else if output != 0, output != Int(ElementType.float32.rawValue) {
            return nil
        }
        self.type = type
        if isByte { guard type?.isByte ?? false else { return nil } }
    }
}

extension QuantizationFolding {
    /// A value of bytes with what it stands for, and the position of the node that says so.
    struct QuantizedValue {
        let value: ValueID
        let type: ElementType
        let scale: Float
        let zeroPoint: Int
        let position: Int

        func hasParameters(of other: QuantizedValue) -> Bool {
            type == other.type && scale == other.scale && zeroPoint == other.zeroPoint
        }
    }
}
