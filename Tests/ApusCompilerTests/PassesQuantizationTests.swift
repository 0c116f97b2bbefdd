import ApusCompiler
import ApusGraph
import ApusOperators
import ApusTensor
import Testing

@Suite struct QuantizationPassTests {
    /// A graph under test with quantized values.
    private struct QuantizedCheck {
        var check = PassCheck()

        mutating func quantize(_ x: ValueID, _ scale: Float, _ zeroPoint: UInt8) -> ValueID {
            let parameters = [
                check.constant(Tensor(scalar: scale)), check.constant(Tensor(scalar: zeroPoint)),
            ]
            return check.node("QuantizeLinear", [x] + parameters.map { $0 })
        }

        mutating func dequantize(_ x: ValueID, _ scale: Float, _ zeroPoint: UInt8) -> ValueID {
            let parameters = [
                check.constant(Tensor(scalar: scale)), check.constant(Tensor(scalar: zeroPoint)),
            ]
            return check.node("DequantizeLinear", [x] + parameters.map { $0 })
        }

        /// A value through bytes and back.
        mutating func through(_ x: ValueID, _ scale: Float, _ zeroPoint: UInt8) -> ValueID {
            dequantize(quantize(x, scale, zeroPoint), scale, zeroPoint)
        }

        /// Weights of int8 with a scale for each index of axis 0.
        mutating func weights(_ shape: [Int], _ scale: Float) throws -> ValueID {
            let count = shape.reduce(1, *)
            let elements = (0..<count).map { Int8(truncatingIfNeeded: $0 * 89 + 7) }
            let scales = (0..<shape[0]).map { scale * (1 + Float($0) / 8) }
            return check.node(
                "DequantizeLinear",
                [check.constant(try Tensor(shape: shape, elements)), check.constant(Tensor(vector: scales))],
                ["axis": .int(0)]
            )
        }

        mutating func bias(_ count: Int, input: Float, weights: Float) -> ValueID {
            let elements = (0..<count).map { Int32($0 * 331 - 900) }
            let scales = (0..<count).map { input * (weights * (1 + Float($0) / 8)) }
            return check.node(
                "DequantizeLinear",
                [check.constant(Tensor(vector: elements)), check.constant(Tensor(vector: scales))],
                ["axis": .int(0)]
            )
        }

        /// The graph after the pass; outputs may move by `steps` of the last quantization.
        func run(tolerance: Double) throws -> Graph {
            try check.run([.quantization, .constants, .deadCode], bound: false, tolerance: tolerance)
        }
    }

    private static let pads: [String: AttributeValue] = ["pads": .ints([1, 1, 1, 1])]

    @Test func aConvolutionWithReluBecomesOneNode() throws {
        var test = QuantizedCheck()
        let x = try test.check.input([1, 5, 7, 9])
        let q = test.through(x, 0.01, 100)
        let conv = test.check.node(
            "Conv",
            [q, try test.weights([6, 5, 3, 3], 0.002), test.bias(6, input: 0.01, weights: 0.002)],
            Self.pads
        )
        test.check.graph.outputs = [test.through(test.check.node("Relu", [conv]), 0.01, 0)]
        let result = try test.run(tolerance: 0.011)
        #expect(result.operators == ["apus.Pointwise", "apus.QuantizedConv", "apus.Pointwise"])
        let node = result.nodes[1]
        #expect(node.epilogue?.inputCount == 0)
        #expect(node.epilogue?.expression == PointwiseExpression.input(0).quantized(zeroPoint: 0, to: .uint8))
    }

    @Test func aFloatBiasFollowsTheSums() throws {
        var test = QuantizedCheck()
        let x = try test.check.input([2, 5, 7, 9])
        let q = test.through(x, 0.01, 100)
        let bias = try test.check.weights([6])
        let conv = test.check.node("Conv", [q, try test.weights([6, 5, 3, 3], 0.002), bias], Self.pads)
        test.check.graph.outputs = [test.through(conv, 0.02, 130)]
        let result = try test.run(tolerance: 0.021)
        #expect(result.operators == ["apus.Pointwise", "apus.QuantizedConv", "apus.Pointwise"])
        #expect(result.nodes[1].epilogue?.inputCount == 1)
    }

    @Test func aResidualBlockNeedsNoNodeForItsSum() throws {
        var test = QuantizedCheck()
        let x = test.through(try test.check.input([1, 6, 7, 9]), 0.01, 100)
        let first = test.check.node("Conv", [x, try test.weights([6, 6, 3, 3], 0.002)], Self.pads)
        let sum = test.check.node("Add", [test.through(first, 0.02, 90), x])
        let output = test.through(test.check.node("Relu", [sum]), 0.015, 3)
        test.check.graph.outputs = [test.through(test.check.node("GlobalAveragePool", [output]), 0.01, 5)]
        let result = try test.run(tolerance: 0.03)
        #expect(
            result.operators == [
                "apus.Pointwise", "apus.QuantizedConv", "apus.QuantizedGlobalAveragePool", "apus.Pointwise",
            ]
        )
        #expect(result.nodes[1].epilogue?.inputCount == 1)
    }

    @Test func movementsMoveBytes() throws {
        var test = QuantizedCheck()
        let x = test.through(try test.check.input([1, 4, 6, 6]), 0.01, 100)
        let pool = test.check.node(
            "MaxPool",
            [x],
            ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]
        )
        let flat = test.check.node("Flatten", [test.through(pool, 0.01, 100)])
        let gemm = test.check.node(
            "Gemm",
            [test.through(flat, 0.01, 100), try test.weights([5, 36], 0.003)],
            ["transB": .int(1)]
        )
        test.check.graph.outputs = [test.through(gemm, 0.05, 128)]
        let result = try test.run(tolerance: 0.051)
        #expect(
            result.operators == ["apus.Pointwise", "MaxPool", "Flatten", "apus.QuantizedMatMul", "apus.Pointwise"]
        )
    }

    @Test func aMovementWithOtherParametersIsQuantizedAgain() throws {
        var test = QuantizedCheck()
        let x = test.through(try test.check.input([1, 4, 6, 6]), 0.01, 100)
        test.check.graph.outputs = [test.through(test.check.node("Flatten", [x]), 0.02, 128)]
        let result = try test.run(tolerance: 0.021)
        #expect(result.operators == ["apus.Pointwise", "Flatten", "apus.Pointwise", "apus.Pointwise"])
    }

    @Test func functionsBetweenQuantizationsComputeInFloat() throws {
        var test = QuantizedCheck()
        let x = test.through(try test.check.input([1, 5, 7, 9]), 0.01, 100)
        let conv = test.check.node("Conv", [x, try test.weights([6, 5, 3, 3], 0.002)], Self.pads)
        test.check.graph.outputs = [test.through(test.check.node("Sigmoid", [conv]), 0.004, 0)]
        let result = try test.run(tolerance: 0.005)
        #expect(result.operators == ["apus.Pointwise", "apus.QuantizedConv", "apus.Pointwise"])
    }

    @Test func sharedFloatsStay() throws {
        var test = QuantizedCheck()
        let x = test.through(try test.check.input([1, 5, 7, 9]), 0.01, 100)
        let conv = test.check.node("Conv", [x, try test.weights([6, 5, 3, 3], 0.002)], Self.pads)
        test.check.graph.outputs = [test.through(conv, 0.02, 128), conv]
        let result = try test.run(tolerance: 0.021)
        #expect(result.operators.contains("Conv"))
    }

    @Test func unknownParametersAreLeftAlone() throws {
        var test = QuantizedCheck()
        let x = try test.check.input([2, 3])
        let scale = try test.check.input([1], seed: 3)
        test.check.graph.outputs = [test.check.node("QuantizeLinear", [x, scale])]
        #expect(try test.run(tolerance: 0).operators == ["QuantizeLinear"])
    }

    @Test func quantizedOperatorsBecomeTheSameNodes() throws {
        var test = QuantizedCheck()
        let x = test.quantize(try test.check.input([1, 5, 7, 9]), 0.01, 100)
        let weights = (0..<30).map { Int8(truncatingIfNeeded: $0 * 89 + 7) }
        let inputs: [ValueID?] = [
            x, test.check.constant(Tensor(scalar: Float(0.01))), test.check.constant(Tensor(scalar: UInt8(100))),
            test.check.constant(try Tensor(shape: [6, 5, 1, 1], weights)),
            test.check.constant(Tensor(scalar: Float(0.002))), test.check.constant(Tensor(scalar: Int8(0))),
            test.check.constant(Tensor(scalar: Float(0.01))), test.check.constant(Tensor(scalar: UInt8(128))),
        ]
        test.check.graph.outputs = [test.check.node("QLinearConv", inputs)]
        #expect(try test.run(tolerance: 0).operators == ["apus.Pointwise", "apus.QuantizedConv"])
    }
}
