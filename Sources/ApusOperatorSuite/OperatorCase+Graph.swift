package import ApusGraph
package import ApusTensor

extension OperatorCase {
    /// The case as a graph of one node, and the values of its inputs.
    package func makeGraph() throws(ModelError) -> (graph: Graph, inputs: [RuntimeValue]) {
        var graph = Graph(name: description)
        var values: [RuntimeValue] = []
        var generator = SeededGenerator(seed: seed)
        var operands: [ValueID?] = []
        for (index, input) in inputs.enumerated() {
            switch input {
            case .omitted: operands.append(nil)
            case .constant(let tensor): operands.append(graph.addConstant("input_\(index)", .tensor(tensor)))
            case .given(let tensor):
                operands.append(graph.addInput("input_\(index)", type: Self.type(tensor.type)))
                values.append(.tensor(tensor))
            case .value(let value):
                operands.append(graph.addInput("input_\(index)", type: nil))
                values.append(value)
            case .random(let type, let range):
                operands.append(graph.addInput("input_\(index)", type: Self.type(type)))
                values.append(.tensor(try generator.tensor(type, in: range)))
            }
        }
        let outputs = (0..<outputCount).map { graph.addValue("output_\($0)", isImported: true) }
        graph.nodes = [
            Node(
                name: name,
                domain: domain,
                operatorType: operatorType,
                inputs: operands,
                outputs: outputs,
                attributes: Attributes(attributes),
                epilogue: epilogue
            )
        ]
        graph.outputs = outputs
        return (graph, values)
    }

    private static func type(_ type: TensorType) -> ValueType {
        .tensor(type.elementType, type.shape.map { .known($0) })
    }
}

/// A splitmix64 generator, so that a case has the same inputs on every machine.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A tensor of uniform values: floats in the range, integers among its whole numbers, bools by halves.
    ///
    /// - Throws: `ModelError` with code `unsupported` for types narrower than a byte, complex types and strings.
    package mutating func tensor(_ type: TensorType, in range: ClosedRange<Double>) throws(ModelError) -> Tensor {
        let values = (0..<type.elementCount).map { _ in
            range.lowerBound + (range.upperBound - range.lowerBound) * (Double(next() >> 11) * 0x1p-53)
        }
        func integers<Element: TensorElement & FixedWidthInteger>(_: Element.Type) throws(ModelError) -> Tensor {
            try Tensor(shape: type.shape, values.map { Element(clamping: Int64($0.rounded(.down))) })
        }
        switch type.elementType {
        case .float32: return try Tensor(shape: type.shape, values.map { Float($0) })
        case .float64: return try Tensor(shape: type.shape, values)
        case .int8: return try integers(Int8.self)
        case .int16: return try integers(Int16.self)
        case .int32: return try integers(Int32.self)
        case .int64: return try integers(Int64.self)
        case .uint8: return try integers(UInt8.self)
        case .uint16: return try integers(UInt16.self)
        case .uint32: return try integers(UInt32.self)
        case .uint64: return try integers(UInt64.self)
        case .bool:
            let middle = (range.lowerBound + range.upperBound) / 2
            return Tensor(type) { bytes in
                for (index, value) in values.enumerated() { bytes[index] = value < middle ? 0 : 1 }
            }
        case .float16:
            return Tensor(type) { bytes in
                let elements = bytes.bindMemory(to: UInt16.self)
                for (index, value) in values.enumerated() { elements[index] = Float16(value).bitPattern }
            }
        case .bfloat16:
            return Tensor(type) { bytes in
                let elements = bytes.bindMemory(to: UInt16.self)
                for (index, value) in values.enumerated() {
                    elements[index] = UInt16(truncatingIfNeeded: Float(value).bitPattern >> 16)
                }
            }
        default: throw ModelError(.unsupported, "no random values of type \(type.elementType)")
        }
    }
}
