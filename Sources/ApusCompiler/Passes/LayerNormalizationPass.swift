import ApusGraph
import ApusTensor

extension GraphPass {
    /// A normalization written out as means, differences and a root becomes `LayerNormalization` or `RMSNormalization`.
    package static let layerNormalization = GraphPass(
        name: "layer-norm",
        summary: "means, differences and a root become LayerNormalization or RMSNormalization"
    ) { graph, _ throws(ModelError) in
        guard graph.nodes.contains(where: { $0.isPlain("ReduceMean") }) else { return graph }
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], let found = NormalizationPattern(node, editor),
                editor.hasOneResult(node)
            else { continue }
            editor.replaceNode(at: index, with: found.node(named: node.name, outputs: node.outputs))
        }
        return editor.result
    }
}

extension Node {
    /// Whether the node is a call of ONNX's own operator without an epilogue.
    func isPlain(_ type: String) -> Bool { domain.isEmpty && operatorType == type && epilogue == nil }
}

extension GraphEditor {
    /// The node of an operator that produces a value.
    func producer(of id: ValueID?, _ type: String) -> Node? {
        guard let (_, node) = producer(of: id), node.isPlain(type), node.outputs.first == id else { return nil }
        return node
    }

    /// The number that a value of one element stands for, where it is constant.
    func scalar(_ id: ValueID?) -> Double? {
        guard let tensor = graph.constantTensor(id), tensor.elementCount == 1, tensor.rank <= 1 else { return nil }
        return try? tensor.doubles().first
    }

    /// The two operands of a commutative node in either order.
    func pairs(_ node: Node) -> [(ValueID, ValueID)] {
        guard node.inputs.count == 2, let a = node.inputs[0], let b = node.inputs[1] else { return [] }
        return [(a, b), (b, a)]
    }
}

/// `(x - mean) / sqrt(variance + epsilon) * scale + bias`, or without mean and bias.
private struct NormalizationPattern {
    private var input: ValueID
    private var scale: ValueID
    private var bias: ValueID?
    private var epsilon: Double
    private var axis: Int
    private var centers: Bool

    /// What the last node of a pattern computes; `nil` if it ends none.
    init?(_ node: Node, _ editor: GraphEditor) {
        if node.isPlain("Add") {
            for (product, bias) in editor.pairs(node) {
                guard let multiply = editor.producer(of: product, "Mul"),
                    let found = Self.scaled(multiply, editor), found.centers, found.fits(bias, editor)
                else { continue }
                self = found
                self.bias = bias
                return
            }
            return nil
        }
        guard node.isPlain("Mul"), let output = node.outputs.first, let output,
            let found = Self.scaled(node, editor),
            !found.centers || !Self.isShifted(output, found, editor)
        else { return nil }
        self = found
    }

    private init(input: ValueID, scale: ValueID, epsilon: Double, axis: Int, centers: Bool) {
        self.input = input
        self.scale = scale
        self.epsilon = epsilon
        self.axis = axis
        self.centers = centers
    }

    /// Whether the one reader adds a bias, so that the pattern ends there.
    private static func isShifted(_ output: ValueID, _ found: Self, _ editor: GraphEditor) -> Bool {
        guard let reader = editor.soleReader(of: output), let node = editor.nodes[reader], node.isPlain("Add") else {
            return false
        }
        return editor.pairs(node).contains { $0.0 == output && found.fits($0.1, editor) }
    }

    /// Whether a constant holds one number for each normalized element.
    private func fits(_ id: ValueID, _ editor: GraphEditor) -> Bool {
        guard let tensor = editor.graph.constantTensor(id) else { return false }
        return tensor.rank == -axis
    }

    private static func scaled(_ node: Node, _ editor: GraphEditor) -> Self? {
        for (normalized, scale) in editor.pairs(node) {
            guard let (numerator, root) = quotient(normalized, editor), let sum = editor.producer(of: root, "Sqrt"),
                let add = editor.producer(of: sum.inputs.first ?? nil, "Add")
            else { continue }
            for (variance, constant) in editor.pairs(add) {
                guard let epsilon = editor.scalar(constant), epsilon >= 0,
                    let (squares, axis) = mean(variance, editor), let base = squareRoot(squares, editor)
                else { continue }
                var found: Self?
                if let (x, difference) = centered(numerator, axis, editor),
                    base == numerator
                        || centered(base, axis, editor).map({ $0.0 == x && $0.1 == difference }) ?? false
                {
                    found = Self(input: x, scale: scale, epsilon: epsilon, axis: axis, centers: true)
                } else if base == numerator {
                    found = Self(input: base, scale: scale, epsilon: epsilon, axis: axis, centers: false)
                }
                if let found, found.fits(scale, editor) { return found }
            }
        }
        return nil
    }

    /// `a / b`, or `a * (1 / b)`.
    private static func quotient(_ id: ValueID, _ editor: GraphEditor) -> (ValueID, ValueID)? {
        if let node = editor.producer(of: id, "Div") { return editor.pairs(node).first }
        guard let node = editor.producer(of: id, "Mul") else { return nil }
        for (a, b) in editor.pairs(node) {
            if let inverse = editor.producer(of: b, "Reciprocal"), let root = inverse.inputs.first, let root {
                return (a, root)
            }
            if let inverse = editor.producer(of: b, "Div"), let (one, root) = editor.pairs(inverse).first,
                editor.scalar(one) == 1
            {
                return (a, root)
            }
        }
        return nil
    }

    /// What a mean over the last axes is taken of, and the first of these axes, counted from the end.
    private static func mean(_ id: ValueID, _ editor: GraphEditor) -> (ValueID, Int)? {
        guard let node = editor.producer(of: id, "ReduceMean"), let source = node.inputs.first, let source,
            (try? node.attributes.bool("keepdims", default: true)) == true
        else { return nil }
        var axes = try? node.attributes.ints("axes")
        if node.inputs.count > 1, let given = node.inputs[1] {
            axes = try? editor.graph.constantTensor(given)?.integers()
        }
        guard let axes, !axes.isEmpty, axes.sorted() == Array(-axes.count..<0) else { return nil }
        return (source, -axes.count)
    }

    /// What a value is the square of.
    private static func squareRoot(_ id: ValueID, _ editor: GraphEditor) -> ValueID? {
        if let power = editor.producer(of: id, "Pow"), let (base, exponent) = editor.pairs(power).first {
            return editor.scalar(exponent) == 2 ? base : nil
        }
        guard let product = editor.producer(of: id, "Mul"), let (a, b) = editor.pairs(product).first, a == b else {
            return nil
        }
        return a
    }

    /// What a value is less its mean over the given axes, and that mean.
    private static func centered(_ id: ValueID, _ axis: Int, _ editor: GraphEditor) -> (ValueID, ValueID)? {
        guard let difference = editor.producer(of: id, "Sub"), let (x, subtracted) = editor.pairs(difference).first,
            let (source, axes) = mean(subtracted, editor), source == x, axes == axis
        else { return nil }
        return (x, subtracted)
    }

    func node(named name: String, outputs: [ValueID?]) -> Node {
        Node(
            name: name,
            operatorType: centers ? "LayerNormalization" : "RMSNormalization",
            inputs: [input, scale] + (bias.map { [$0] } ?? []),
            outputs: [outputs.first ?? nil],
            attributes: Attributes(["axis": .int(Int64(axis)), "epsilon": .float(Float(epsilon))])
        )
    }
}
