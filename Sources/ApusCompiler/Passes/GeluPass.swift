import ApusGraph
import ApusTensor

extension GraphPass {
    /// A GELU written out with `Erf` or `Tanh` becomes `Gelu`.
    package static let gelu = GraphPass(
        name: "gelu",
        summary: "a GELU written out with Erf or Tanh becomes Gelu"
    ) { graph, _ throws(ModelError) in
        var editor = GraphEditor(graph)
        for index in editor.nodes.indices {
            guard let node = editor.nodes[index], node.isPlain("Erf") || node.isPlain("Tanh"),
                let (input, root) = match(node, at: index, editor), let last = editor.nodes[root]
            else { continue }
            let approximation = node.operatorType == "Erf" ? "none" : "tanh"
            editor.replaceNode(
                at: root,
                with: Node(
                    name: last.name,
                    operatorType: "Gelu",
                    inputs: [input],
                    outputs: last.outputs,
                    attributes: Attributes(["approximate": .string(Array(approximation.utf8))])
                )
            )
        }
        return editor.result
    }

    /// The operand of the GELU around a node, and the position of its last node.
    private static func match(_ node: Node, at index: Int, _ editor: GraphEditor) -> (ValueID, Int)? {
        guard let argument = node.inputs.first, let argument, let output = node.outputs.first, let output else {
            return nil
        }
        let inner: [Int: Double] =
            node.operatorType == "Erf"
            ? [1: 0.5.squareRoot()]
            : [1: (2 / Double.pi).squareRoot(), 3: 0.044715 * (2 / Double.pi).squareRoot()]
        for candidate in Polynomial.leaves(of: argument, editor)
        where Polynomial(of: argument, in: candidate, editor)?.isClose(to: inner) ?? false {
            if let root = root(above: output, candidate, editor) { return (candidate, root) }
        }
        return nil
    }

    /// The position of the node whose result is `0.5 * x * (1 + value)`.
    private static func root(above value: ValueID, _ x: ValueID, _ editor: GraphEditor) -> Int? {
        guard let first = editor.soleReader(of: value), let sum = editor.nodes[first], sum.isPlain("Add"),
            editor.pairs(sum).contains(where: { $0.0 == value && editor.scalar($0.1) == 1 }),
            var current = sum.outputs.first ?? nil
        else { return nil }
        var factor: [Int: Double] = [0: 1]
        for _ in 0..<3 {
            guard let position = editor.soleReader(of: current), let node = editor.nodes[position] else { return nil }
            if node.isPlain("Mul"), let other = editor.pairs(node).first(where: { $0.0 == current })?.1,
                let polynomial = Polynomial(of: other, in: x, editor)
            {
                factor = Polynomial.product(factor, polynomial.coefficients)
            } else if node.isPlain("Div"), node.inputs[0] == current, let divisor = editor.scalar(node.inputs[1]),
                divisor != 0
            {
                factor = factor.mapValues { $0 / divisor }
            } else {
                return nil
            }
            if Polynomial(coefficients: factor).isClose(to: [1: 0.5]) { return position }
            guard let next = node.outputs.first ?? nil else { return nil }
            current = next
        }
        return nil
    }
}

/// A value as a polynomial of another: coefficients by power.
private struct Polynomial {
    var coefficients: [Int: Double]

    /// Formulas are looked through to this depth.
    private static let depth = 6

    init(coefficients: [Int: Double]) { self.coefficients = coefficients }

    init?(of id: ValueID, in x: ValueID, _ editor: GraphEditor) {
        guard let found = Self.expand(id, x, editor, Self.depth) else { return nil }
        coefficients = found
    }

    func isClose(to other: [Int: Double]) -> Bool {
        let present = coefficients.filter { $0.value != 0 }
        return present.count == other.count
            && other.allSatisfy { power, value in abs((present[power] ?? 0) - value) <= 2e-4 * abs(value) }
    }

    static func product(_ a: [Int: Double], _ b: [Int: Double]) -> [Int: Double] {
        var result: [Int: Double] = [:]
        for (i, x) in a { for (j, y) in b { result[i + j, default: 0] += x * y } }
        return result
    }

    /// The values that a formula may be a polynomial of.
    static func leaves(of id: ValueID, _ editor: GraphEditor) -> [ValueID] {
        var found = [id]
        var next = 0
        while next < found.count, found.count < 32 {
            if let (_, node) = editor.producer(of: found[next]), isArithmetic(node) {
                for input in node.inputs.compactMap({ $0 })
                where editor.graph.constants[input] == nil && !found.contains(input) { found.append(input) }
            }
            next += 1
        }
        return found
    }

    private static func isArithmetic(_ node: Node) -> Bool {
        ["Mul", "Add", "Div", "Pow"].contains { node.isPlain($0) }
    }

    private static func expand(_ id: ValueID, _ x: ValueID, _ editor: GraphEditor, _ depth: Int) -> [Int: Double]? {
        if id == x { return [1: 1] }
        if let number = editor.scalar(id) { return [0: number] }
        guard depth > 0, let (_, node) = editor.producer(of: id), isArithmetic(node), node.inputs.count == 2,
            let first = node.inputs[0], let second = node.inputs[1],
            let a = expand(first, x, editor, depth - 1), let b = expand(second, x, editor, depth - 1)
        else { return nil }
        switch node.operatorType {
        case "Mul": return product(a, b)
        case "Add": return a.merging(b, uniquingKeysWith: +)
        case "Div":
            guard b.count == 1, let divisor = b[0], divisor != 0 else { return nil }
            return a.mapValues { $0 / divisor }
        default:
            guard b.count == 1, let exponent = b[0], exponent == 2 || exponent == 3 else { return nil }
            return exponent == 2 ? product(a, a) : product(a, product(a, a))
        }
    }
}
