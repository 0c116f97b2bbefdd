import ApusGraph
import ApusOperators
package import ApusTensor

extension GraphPass {
    /// Values of float32 between inputs and outputs are stored in 16 bits.
    ///
    /// Inputs are cast on entry and outputs on delivery; weights are rounded once. A formula with constants, such as the
    /// addition of a bias, computes with them in float32. Sums before a LayerNormalization stay in float32, see
    /// `ResidualStream`: they are rounded only where other operators read them. What is derived from shapes and integers
    /// alone stays as it is, and so do operators that are not listed here, with a cast before and behind them.
    ///
    /// - Parameter type: float16 or bfloat16.
    package static func precision(_ type: ElementType) -> GraphPass {
        GraphPass(
            name: "precision",
            summary: "float32 values are stored as \(type)"
        ) { graph, context throws(ModelError) in
            var rewriting = try PrecisionRewriting(graph, type, context)
            for node in graph.nodes { try rewriting.append(node) }
            return try rewriting.finished()
        }
    }
}

/// A graph whose float32 values become 16-bit ones, node by node.
private struct PrecisionRewriting {
    private let type: ElementType
    private let context: PassContext
    private let outputs: Set<ValueID>
    private let stream: ResidualStream
    private var result: Graph
    /// The element type of every value, as far as it can be told without shapes.
    private var facts: [ValueID: ValueFact] = [:]
    /// The 16-bit form of float32 values; a value may be its own.
    private var narrow: [ValueID: ValueID] = [:]
    /// The float32 form of values that are produced in 16 bits alone.
    private var wide: [ValueID: ValueID] = [:]
    /// Float32 values that depend on the numbers given to the model.
    private var data: Set<ValueID> = []
    private var isChanged = false

    /// Operators beside the pointwise ones, and the operands that are stored in 16 bits; `nil` means all.
    private static let operators: [String: Set<Int>?] = {
        let first = [
            "AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool",
            "BatchNormalization", "GroupNormalization", "InstanceNormalization", "LRN", "LpNormalization",
            "MeanVarianceNormalization", "ArgMax", "ArgMin", "Hardmax", "LogSoftmax", "Softmax",
            "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
            "ReduceProd", "ReduceSum", "ReduceSumSquare", "LayerNormalization", "RMSNormalization",
            "Compress", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Reshape",
            "Resize",
            "ReverseSequence", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze",
        ]
        var operators: [String: Set<Int>?] = [:]
        for name in first { operators[name] = .some([0]) }
        for name in contractions + ["Concat"] { operators[name] = .some(nil) }
        operators["Pad"] = .some([0, 2])
        operators["ScatterElements"] = .some([0, 2])
        operators["ScatterND"] = .some([0, 2])
        return operators
    }()

    private static let contractions = ["Conv", "ConvTranspose", "Gemm", "MatMul"]

    init(_ graph: Graph, _ type: ElementType, _ context: PassContext) throws(ModelError) {
        stream = try ResidualStream(graph, context.table)
        self.type = type
        self.context = context
        outputs = Set(graph.outputs)
        result = graph
        result.nodes = []
        for id in graph.inputs {
            guard case .tensor(let elementType, _)? = graph[id].type else {
                facts[id] = .opaque
                continue
            }
            facts[id] = .dataDependent(elementType)
            if elementType == .float32 { data.insert(id) }
        }
        for (id, value) in graph.constants { facts[id] = ValueFact(value) }
    }

    func finished() throws(ModelError) -> Graph {
        guard isChanged else {
            throw ModelError(.unsupported, "the model computes nothing in float32 that could be stored as \(type)")
        }
        return result
    }

    mutating func append(_ node: Node) throws(ModelError) {
        let op = try context.table.makeOperator(node)
        let known = node.inputs.map { $0.map { facts[$0] ?? .opaque } }
        let inferred = (try? op.infer(known)) ?? []
        for (index, id) in node.outputs.enumerated() {
            if let id { facts[id] = inferred.indices.contains(index) ? inferred[index] : .opaque }
        }
        let isData =
            node.reads.contains(where: data.contains) || Self.contractions.contains(node.operatorType)
            || isEmbedding(node)
        if isData { data.formUnion(node.outputs.compactMap { $0 }.filter(isFloat)) }
        if isData, node.epilogue == nil {
            if let expression = op.pointwise, node.outputs.count == 1, let output = node.outputs[0] {
                return try appendPointwise(node, expression, output)
            }
            if node.domain.isEmpty, let positions = Self.operators[node.operatorType], !stream.contains(node) {
                return try appendNarrowed(node, positions)
            }
        }
        var wideForms: [ValueID: ValueID] = [:]
        for id in node.reads { wideForms[id] = wideForm(id) }
        var node = node
        node.replaceReads { wideForms[$0] ?? $0 }
        result.nodes.append(node)
    }

    private func isFloat(_ id: ValueID) -> Bool { facts[id]?.elementType == .float32 }

    /// Whether rows of a constant table are looked up.
    private func isEmbedding(_ node: Node) -> Bool {
        guard node.operatorType == "Gather", let table = node.inputs.first ?? nil else { return false }
        return (result.constantTensor(table)?.rank ?? 0) >= 2 && isFloat(table)
    }

    private mutating func appendNarrowed(_ node: Node, _ positions: Set<Int>?) throws(ModelError) {
        var node = node
        var bias: (value: ValueID, factor: Double)?
        if Self.contractions.contains(node.operatorType), node.inputs.count > 2 {
            bias = try separateBias(node)
            if bias != nil { node.inputs.removeLast() }
        }
        for (index, id) in node.inputs.enumerated() {
            guard let id, isFloat(id), positions?.contains(index) ?? true else {
                node.inputs[index] = node.inputs[index].map { wideForm($0) }
                continue
            }
            node.inputs[index] = try narrowForm(id)
        }
        guard let bias, let output = node.outputs.first ?? nil else {
            node.outputs = node.outputs.map { $0.map { isFloat($0) ? narrowOutput($0) : $0 } }
            result.nodes.append(node)
            deliver(node)
            isChanged = true
            return
        }
        let product = result.addValue(result[output].name)
        node.outputs = [product]
        result.nodes.append(node)
        let sum = PointwiseExpression.cast(.float32, .input(0)) + .constant(bias.factor) * .input(1)
        let plain = PointwiseExpression.cast(.float32, .input(0)) + .input(1)
        appendFormula(
            .cast(type, bias.factor == 1 ? plain : sum),
            isRounded: true,
            [product, bias.value],
            of: node,
            output
        )
    }

    /// A constant bias as an operand of a formula behind the node, and its factor; `nil` where it is not constant.
    private mutating func separateBias(_ node: Node) throws(ModelError) -> (value: ValueID, factor: Double)? {
        guard node.inputs.count == 3, node.outputs.count == 1, let id = node.inputs[2],
            let bias = result.constantTensor(id)
        else { return nil }
        if node.operatorType == "Gemm" {
            let factor = try node.attributes.float("beta", default: 1)
            return factor.isFinite ? (id, Double(factor)) : nil
        }
        guard bias.rank == 1, let weights = node.inputs[1].flatMap({ result.constantTensor($0) }), weights.rank > 2
        else {
            return nil
        }
        let shape = bias.shape + [Int](repeating: 1, count: weights.rank - 2)
        let reshaped = try Tensor(
            type: TensorType(bias.elementType, shape),
            storage: bias.storage,
            byteOffset: bias.byteOffset
        )
        return (result.addConstant(result[id].name, .tensor(reshaped)), 1)
    }

    /// A formula: operands in 16 bits are computed in float32, constants and what is in float32 alone stay; the result is
    /// rounded unless the stream holds it.
    private mutating func appendPointwise(
        _ node: Node,
        _ expression: PointwiseExpression,
        _ output: ValueID
    ) throws(ModelError) {
        let used = expression.usedInputs
        let isSum = stream.values.contains(output)
        guard used.allSatisfy({ node.inputs.indices.contains($0) && node.inputs[$0] != nil }) else {
            throw ModelError(.invalidModel, "an operand is missing").at(node: node.name, operatorType: node.displayType)
        }
        var inputs = node.inputs
        var narrowed: Set<Int> = []
        for index in used {
            guard let id = inputs[index] else { continue }
            if isFloat(id), let form = narrow[id], result.constantTensor(id) == nil, !isSum || form == id {
                inputs[index] = form
                narrowed.insert(index)
            } else {
                inputs[index] = wideForm(id)
            }
        }
        isChanged = true
        let isNative =
            isFloat(output) && !isSum && used == Array(node.inputs.indices)
            && used.allSatisfy { narrowed.contains($0) || !isReal(node.inputs[$0]) }
            && node.domain.isEmpty && !Self.casts.contains(node.operatorType)
        if isNative {
            var node = node
            node.inputs = inputs
            node.outputs = [narrowOutput(output)]
            result.nodes.append(node)
            return deliver(node)
        }
        if isSum, narrowed.isEmpty, used == Array(node.inputs.indices) {
            var node = node
            node.inputs = inputs
            result.nodes.append(node)
            return
        }
        let formula = expression.substituting { index in
            let operand = PointwiseExpression.input(used.firstIndex(of: index) ?? 0)
            return narrowed.contains(index) ? .cast(.float32, operand) : operand
        }
        let isRounded = isFloat(output) && !isSum
        appendFormula(
            isRounded ? .cast(type, formula) : formula,
            isRounded: isRounded,
            used.compactMap { inputs[$0] },
            of: node,
            output
        )
    }

    private static let casts: Set<String> = ["Cast", "CastLike", "BitCast"]

    private func isReal(_ id: ValueID?) -> Bool {
        id.flatMap { facts[$0]?.elementType }?.isFloatingPoint ?? false
    }

    private mutating func appendFormula(
        _ expression: PointwiseExpression,
        isRounded: Bool,
        _ operands: [ValueID],
        of node: Node,
        _ output: ValueID
    ) {
        let formula = Node(
            name: node.name,
            domain: "apus",
            operatorType: "Pointwise",
            inputs: operands,
            outputs: [isRounded ? narrowOutput(output) : output],
            attributes: Attributes(["expression": .expression(expression)])
        )
        result.nodes.append(formula)
        deliver(formula)
        isChanged = true
    }

    /// The value to write in place of a float32 one; outputs of the graph keep their type and get a cast.
    private mutating func narrowOutput(_ id: ValueID) -> ValueID {
        if outputs.contains(id) {
            let form = result.addValue(result[id].name)
            narrow[id] = form
            return form
        }
        result[id].type = nil
        narrow[id] = id
        return id
    }

    /// Appends the casts behind a node that writes outputs of the graph.
    private mutating func deliver(_ node: Node) {
        let written = Set(node.outputs.compactMap { $0 })
        for id in outputs.sorted() {
            if let form = narrow[id], form != id, written.contains(form) { appendCast(form, to: .float32, id) }
        }
    }

    private mutating func appendCast(_ id: ValueID, to target: ElementType, _ output: ValueID) {
        result.nodes.append(
            Node(
                name: "\(result[id].name) to \(target)",
                operatorType: "Cast",
                inputs: [id],
                outputs: [output],
                attributes: Attributes(["to": .int(Int64(target.rawValue))])
            )
        )
    }

    private mutating func narrowForm(_ id: ValueID) throws(ModelError) -> ValueID {
        if let form = narrow[id] { return form }
        let form: ValueID
        if let constant = result.constantTensor(id) {
            form = result.addConstant(result[id].name, .tensor(try constant.narrowed(to: type)))
        } else {
            form = result.addValue(result[id].name)
            appendCast(id, to: type, form)
        }
        narrow[id] = form
        return form
    }

    private mutating func wideForm(_ id: ValueID) -> ValueID {
        guard narrow[id] == id else { return id }
        if let form = wide[id] { return form }
        let form = result.addValue(result[id].name)
        appendCast(id, to: .float32, form)
        wide[id] = form
        return form
    }
}
