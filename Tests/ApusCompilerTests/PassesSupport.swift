import ApusCompiler
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor
import Testing

/// A graph under test, the values of its inputs, and what passes made of it.
struct PassCheck {
    var graph: Graph
    var inputs: [RuntimeValue] = []

    init(name: String = "test") { graph = Graph(name: name) }

    mutating func input(_ shape: [Int], seed: Int = 1) throws -> ValueID {
        inputs.append(.tensor(try Self.tensor(shape, seed: seed)))
        return graph.addInput("input\(inputs.count)", type: .tensor(.float32, shape.map { .known($0) }))
    }

    mutating func constant(_ tensor: Tensor) -> ValueID {
        graph.addConstant("constant\(graph.values.count)", .tensor(tensor))
    }

    mutating func weights(_ shape: [Int], seed: Int = 7) throws -> ValueID {
        constant(try Self.tensor(shape, seed: seed))
    }

    mutating func node(
        _ type: String,
        _ inputs: [ValueID?],
        _ attributes: [String: AttributeValue] = [:]
    ) -> ValueID {
        nodes(type, inputs, attributes, count: 1)[0]
    }

    mutating func nodes(
        _ type: String,
        _ inputs: [ValueID?],
        _ attributes: [String: AttributeValue] = [:],
        count: Int
    ) -> [ValueID] {
        let first = graph.values.count
        return graph.addNode(
            type,
            name: "node\(graph.nodes.count)",
            inputs: inputs,
            attributes: attributes,
            outputNames: (0..<count).map { "value\(first + $0)" }
        )
    }

    /// Values between -1 and 1 that differ from element to element.
    static func tensor(_ shape: [Int], seed: Int) throws -> Tensor {
        let count = shape.reduce(1, *)
        return try Tensor(
            shape: shape,
            (0..<count).map { Float(($0 * 37 + seed * 101 + $0 * $0 * 13) % 199) / 100 - 0.99 }
        )
    }

    /// Runs passes and checks that every output stays as it is.
    func run(
        _ passes: [GraphPass],
        bound: Bool = true,
        disabled: Set<String> = [],
        lowering: LoweringContext? = nil,
        tolerance: Double = 1e-6
    ) throws -> Graph {
        var types: [ValueID: TensorType] = [:]
        for (id, value) in zip(graph.inputs, inputs) { types[id] = try value.tensor().type }
        let before = try GraphInterpreter(graph).run(inputs) { id, value in
            if case .tensor(let tensor) = value { types[id] = tensor.type }
        }
        let context = PassContext(types: bound ? types : [:], lowering: lowering)
        let result = try PassPipeline(passes).run(graph, disabled: disabled, context: context)
        let after = try GraphInterpreter(result).run(inputs)
        #expect(result.outputs == graph.outputs)
        for (a, b) in zip(before, after) { try Self.compare(a.tensor(), b.tensor(), tolerance) }
        return result
    }

    private static func compare(_ a: Tensor, _ b: Tensor, _ tolerance: Double) throws {
        #expect(a.type == b.type)
        let expected = try a.doubles()
        let largest = expected.reduce(1) { max($0, abs($1)) }
        for (x, y) in zip(expected, try b.doubles()) {
            #expect(abs(x - y) <= tolerance * largest, "\(x) became \(y)")
        }
    }
}

extension Graph {
    /// The operators in order.
    var operators: [String] { nodes.map(\.displayType) }
}
