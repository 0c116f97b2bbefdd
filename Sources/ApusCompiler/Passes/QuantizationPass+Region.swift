import ApusGraph
import ApusOperators
import ApusTensor

/// The float values between quantized ones and a `QuantizeLinear`, as one formula over leaves.
struct QuantizationRegion {
    enum Leaf {
        /// The result of an integer product or sum.
        case anchor
        case bytes(QuantizationFolding.QuantizedValue)
        /// Float32 constants of one element a channel, shaped to broadcast.
        case constants(String, Tensor)
        case value(ValueID)
    }

    /// The formula; operand n is leaf n.
    var formula = PointwiseExpression.constant(0)
    var leaves: [Leaf] = []
    var anchor: IntegerAnchor?
    /// Positions of the nodes that the region takes in.
    var nodes: [Int] = []

    mutating func add(_ leaf: Leaf) -> PointwiseExpression {
        leaves.append(leaf)
        return .input(leaves.count - 1)
    }
}

extension QuantizationFolding {
    /// Longer regions are left to the passes on floats.
    private static let maximumOperations = 24
    private static let maximumLeaves = 6

    /// Makes the node of everything between quantized values and a `QuantizeLinear`.
    mutating func foldRegion(_ index: Int, _ node: Node, _ output: LinearParameters) throws(ModelError) {
        guard let source = node.inputs.first, let source, let result = node.outputs.first, let result,
            let type = output.type
        else { return }
        var region = QuantizationRegion()
        region.formula = build(source, readBy: index, &region)
        let isQuantized = region.leaves.contains { if case .bytes = $0 { true } else { false } }
        guard region.anchor != nil || isQuantized, region.leaves.count <= Self.maximumLeaves,
            region.formula.operationCount <= Self.maximumOperations
        else { return }
        let absorbed = region.anchor == nil ? absorbable(region, readBy: index) : nil
        var operands: [ValueID?] = [ValueID?](repeating: nil, count: region.leaves.count)
        let scaled = try scaled(region, by: output.scale, absorbing: absorbed?.leaf, &operands)
        let bounded = scaled.withoutBounds(outside: type.integerRange, zeroPoint: output.zeroPoint)
        let formula = bounded.quantized(zeroPoint: Double(output.zeroPoint), to: type)
        try emit(formula, region, operands, absorbed, at: index, node.name, result, output)
    }

    /// The float value as a formula over leaves, walking back as long as nothing else reads what is walked over.
    private func build(_ id: ValueID, readBy reader: Int, _ region: inout QuantizationRegion) -> PointwiseExpression {
        if let tensor = editor.graph.constantTensor(id), tensor.elementCount == 1, tensor.elementType == .float32,
            let value = try? tensor.doubles().first, value.isFinite
        {
            return .constant(value)
        }
        if let value = dequantized(id), editor.graph.constants[value.value] == nil { return region.add(.bytes(value)) }
        guard let (position, node) = editor.producer(of: id), editor.soleReader(of: id) == reader,
            node.epilogue == nil
        else { return region.add(.value(id)) }
        if region.anchor == nil, let anchor = integerAnchor(node) {
            region.anchor = anchor
            region.nodes.append(position)
            var result = region.add(.anchor)
            if let bias = anchor.floatBias {
                result = (result + region.add(.constants(node.name + "_bias", bias))).roundedToFloat32
            }
            return result
        }
        guard let formula = ValueFormula(node, table), formula.operands.count <= 3,
            types[id]?.elementType ?? .float32 == .float32, region.nodes.count < 16
        else { return region.add(.value(id)) }
        region.nodes.append(position)
        var operands: [PointwiseExpression] = []
        for operand in formula.operands { operands.append(build(operand, readBy: position, &region)) }
        return formula.expression.substituting { operands[$0] }
    }

    /// A leaf of bytes that an integer node makes for this region alone, so that the region can join that node.
    private func absorbable(
        _ region: QuantizationRegion,
        readBy index: Int
    ) -> (leaf: Int, position: Int, node: Node)? {
        var best: (leaf: Int, position: Int, node: Node)?
        for (leaf, content) in region.leaves.enumerated() {
            guard case .bytes(let value) = content, let (position, node) = editor.producer(of: value.value),
                node.domain == "apus", node.operatorType.hasPrefix("Quantized"), let epilogue = node.epilogue,
                epilogue.expression.isArithmetic,
                epilogue.expression.operationCount + 2 * Self.maximumOperations <= ValueFormula.maximumOperations,
                epilogue.inputCount + region.leaves.count < ValueFormula.maximumOperands,
                editor.soleReader(of: value.value) == value.position,
                let output = editor.nodes[value.position]?.outputs[0],
                let reader = editor.soleReader(of: output), reader == index || region.nodes.contains(reader)
            else { continue }
            if best.map({ $0.position < position }) ?? true { best = (leaf, position, node) }
        }
        return best
    }

    /// The region's formula divided by the scale of its result, where possible leaf by leaf.
    ///
    /// Operands are the values behind the leaves; those of the anchor and of an absorbed leaf stay `nil`.
    private mutating func scaled(
        _ region: QuantizationRegion,
        by scale: Float,
        absorbing absorbed: Int?,
        _ operands: inout [ValueID?]
    ) throws(ModelError) -> PointwiseExpression {
        let isLinear = region.formula.divided(by: scale) { _ in .constant(0) } != nil
        let divisor = isLinear ? scale : 1
        var terms: [PointwiseExpression] = []
        for (index, leaf) in region.leaves.enumerated() {
            switch leaf {
            case .anchor: terms.append(.input(index))
            case .value(let id):
                operands[index] = id
                terms.append(
                    divisor == 1 ? .input(index) : (.input(index) * .constant(Double(1 / scale))).roundedToFloat32
                )
            case .constants(let name, let tensor):
                let values = try tensor.floats().map { $0 / divisor }
                operands[index] = editor.addConstant(name, try Tensor(shape: tensor.shape, values))
                terms.append(.input(index))
            case .bytes(let value):
                if index != absorbed { operands[index] = value.value }
                let shifted = PointwiseExpression.cast(.float32, .input(index))
                let difference = value.zeroPoint == 0 ? shifted : shifted - .constant(Double(value.zeroPoint))
                terms.append((difference * .constant(Double(value.scale / divisor))).roundedToFloat32)
            }
        }
        if let linear = region.formula.divided(by: scale, { terms[$0] }), isLinear { return linear }
        let whole = region.formula.substituting { terms[$0] }
        return (whole.roundedToFloat32 * .constant(Double(1 / scale))).roundedToFloat32
    }

    /// Replaces the region and the `QuantizeLinear` by one node.
    private mutating func emit(
        _ formula: PointwiseExpression,
        _ region: QuantizationRegion,
        _ operands: [ValueID?],
        _ absorbed: (leaf: Int, position: Int, node: Node)?,
        at index: Int,
        _ name: String,
        _ result: ValueID,
        _ output: LinearParameters
    ) throws(ModelError) {
        var extras: [ValueID] = []
        var numbers: [Int: Int] = [:]
        if let absorbed { extras = absorbed.node.epilogueInputs.compactMap { $0 } }
        for (leaf, operand) in operands.enumerated() {
            guard let operand else { continue }
            if let position = extras.firstIndex(of: operand) {
                numbers[leaf] = position
            } else {
                extras.append(operand)
                numbers[leaf] = extras.count - 1
            }
        }
        let node: Node
        if let anchor = region.anchor {
            let isLinear = region.formula.divided(by: output.scale) { _ in .constant(0) } != nil
            let multiplier = try anchor.multiplier(output: isLinear ? output.scale : 1)
            let inputs = anchor.inputs(multiplier: editor.addConstant(anchor.name + "_multiplier", multiplier))
            let expression = formula.substituting { .input(numbers[$0].map { $0 + 1 } ?? 0) }
            node = Node(
                name: anchor.name,
                domain: "apus",
                operatorType: anchor.operatorType,
                inputs: inputs.withoutTrailingGaps(keeping: extras.isEmpty ? 0 : inputs.count) + extras,
                outputs: [result],
                attributes: anchor.attributes,
                epilogue: Epilogue(expression: expression, inputCount: extras.count)
            )
        } else if let absorbed, let epilogue = absorbed.node.epilogue {
            let expression = formula.substituting { leaf in
                leaf == absorbed.leaf ? epilogue.expression : .input((numbers[leaf] ?? 0) + 1)
            }
            var joined = absorbed.node
            joined.inputs = Array(absorbed.node.anchorInputs) + extras
            joined.outputs = [result]
            joined.epilogue = Epilogue(expression: expression, inputCount: extras.count)
            editor.replaceNode(at: absorbed.position, with: nil)
            node = joined
        } else {
            node = pointwise(name, formula.substituting { .input(numbers[$0] ?? 0) }, extras, result)
        }
        for position in region.nodes { editor.replaceNode(at: position, with: nil) }
        editor.replaceNode(at: index, with: node)
        for case .bytes(let value) in region.leaves { removeUnread(value.position) }
        for position in region.anchor?.quantizations ?? [] { removeUnread(position) }
    }
}

extension Array where Element == ValueID? {
    /// The operands without those left out at the end; an epilogue's operands need all places before them.
    fileprivate func withoutTrailingGaps(keeping count: Int) -> [ValueID?] {
        var result = self
        while result.count > count, let last = result.last, last == nil { result.removeLast() }
        return result
    }
}

extension PointwiseExpression {
    /// Whether the formula only adds, multiplies and compares, so that numbers stay numbers.
    fileprivate var isArithmetic: Bool {
        switch self {
        case .input, .constant: true
        case .unary(let function, let a): [.negate, .absolute, .round].contains(function) && a.isArithmetic
        case .binary(let function, let a, let b):
            [.add, .subtract, .multiply, .minimum, .maximum].contains(function) && a.isArithmetic && b.isArithmetic
        case .select: false
        case .cast(_, let a): a.isArithmetic
        }
    }

    /// The formula divided by a positive number, by dividing what it is made of; `nil` where that changes its meaning.
    ///
    /// - Parameter leaf: an operand after the division.
    fileprivate func divided(by scale: Float, _ leaf: (Int) -> PointwiseExpression) -> PointwiseExpression? {
        switch self {
        case .input(let index): return leaf(index)
        case .constant(let value): return .constant(Double(Float(value) / scale))
        case .cast(.float32, let a): return a.divided(by: scale, leaf)
        case .unary(.negate, let a): return a.divided(by: scale, leaf).map { .unary(.negate, $0) }
        case .binary(let function, let a, let b):
            guard [.add, .subtract, .minimum, .maximum].contains(function), let first = a.divided(by: scale, leaf),
                let second = b.divided(by: scale, leaf)
            else { return nil }
            let result = PointwiseExpression.binary(function, first, second)
            return function == .add || function == .subtract ? result.roundedToFloat32 : result
        default: return nil
        }
    }

    /// The formula without bounds that saturation to a range applies anyway.
    fileprivate func withoutBounds(outside range: ClosedRange<Int64>, zeroPoint: Int) -> PointwiseExpression {
        let low = Double(range.lowerBound) - Double(zeroPoint)
        let high = Double(range.upperBound) - Double(zeroPoint)
        switch self {
        case .binary(.maximum, let a, .constant(let bound)) where bound <= low,
            .binary(.minimum, let a, .constant(let bound)) where bound >= high:
            return a.withoutBounds(outside: range, zeroPoint: zeroPoint)
        default: return self
        }
    }
}
