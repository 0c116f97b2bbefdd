import ApusGraph
import ApusTensor

extension Node {
    /// The `Add`, `Mul` or `Div` that a formula stands for which `GraphPass.precision` made of one; other nodes are
    /// returned as they are.
    ///
    /// Such a formula computes in float32 and rounds to 16 bits.
    var arithmetic: Node {
        guard domain == "apus", operatorType == "Pointwise", epilogue == nil,
            case .expression(let expression)? = attributes["expression"],
            case .cast(let type, .binary(let function, let first, let second)) = expression,
            type == .bfloat16 || type == .float16, let name = Self.arithmeticNames[function],
            let first = operand(first), let second = operand(second)
        else { return self }
        return Node(name: self.name, operatorType: name, inputs: [first, second], outputs: outputs)
    }

    private static let arithmeticNames: [BinaryFunction: String] = [.add: "Add", .multiply: "Mul", .divide: "Div"]

    /// The operand that a part of the formula widens or names.
    private func operand(_ expression: PointwiseExpression) -> ValueID? {
        var index: Int
        switch expression {
        case .input(let place), .cast(.float32, .input(let place)): index = place
        default: return nil
        }
        return inputs.indices.contains(index) ? inputs[index] : nil
    }
}
