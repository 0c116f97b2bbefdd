import ApusCompiler
import ApusGraph
import ApusTensor
import Testing

/// What `quantize_dynamic` of ONNX Runtime writes for a product with constant weights.
@Suite struct IntegerScalePassTests {
    private struct DynamicProduct {
        var check = PassCheck()
        var sums: ValueID
        var product: ValueID

        /// - Parameters:
        ///   - scaleShape: the shape of the scales of the weights.
        ///   - known: whether they are constant.
        init(_ operatorType: String, _ x: [Int], _ w: [Int], scaleShape: [Int], known: Bool = true) throws {
            let input = try check.input(x)
            let quantized = check.nodes("DynamicQuantizeLinear", [input], count: 3)
            let weights = (0..<w.reduce(1, *)).map { Int8(truncatingIfNeeded: $0 * 89 + 7) }
            let scales = (0..<scaleShape.reduce(1, *)).map { 0.01 * (1 + Float($0) / 8) }
            let weightScale =
                known ? check.constant(try Tensor(shape: scaleShape, scales)) : try check.input(scaleShape, seed: 3)
            let scale = check.node("Mul", [quantized[1], weightScale])
            sums = check.node(
                operatorType,
                [
                    quantized[0], check.constant(try Tensor(shape: w, weights)), quantized[2],
                    check.constant(Tensor(scalar: Int8(3))),
                ]
            )
            product = check.node("Mul", [check.node("Cast", [sums], ["to": .int(1)]), scale])
        }

        func run() throws -> Graph { try check.run([.integerScale, .epilogue, .deadCode]) }
    }

    @Test func aMatrixProductTakesScaleAndBias() throws {
        var test = try DynamicProduct("MatMulInteger", [2, 5, 16], [16, 6], scaleShape: [6])
        let bias = try test.check.weights([6])
        test.check.graph.outputs = [test.check.node("Relu", [test.check.node("Add", [bias, test.product])])]
        let result = try test.run()
        #expect(result.operators == ["DynamicQuantizeLinear", "apus.QuantizedMatMul"])
        #expect(result.nodes[1].epilogue?.inputCount == 1)
    }

    @Test func aConvolutionTakesAScaleAChannel() throws {
        var test = try DynamicProduct("ConvInteger", [1, 4, 7, 5], [6, 4, 3, 3], scaleShape: [6, 1, 1])
        let bias = try test.check.weights([1, 6, 1, 1])
        test.check.graph.outputs = [test.check.node("Add", [test.product, bias])]
        let result = try test.run()
        #expect(result.operators == ["DynamicQuantizeLinear", "apus.QuantizedConv"])
    }

    @Test func scalesThatAreComputedStayTheirOwnNode() throws {
        var test = try DynamicProduct("MatMulInteger", [5, 16], [16, 6], scaleShape: [6], known: false)
        test.check.graph.outputs = [test.product]
        let result = try test.run()
        #expect(result.operators == ["DynamicQuantizeLinear", "Mul", "apus.QuantizedMatMul"])
    }

    @Test func sumsThatAreReadElsewhereStay() throws {
        var test = try DynamicProduct("MatMulInteger", [5, 16], [16, 6], scaleShape: [])
        test.check.graph.outputs = [test.product, test.sums]
        let result = try test.run()
        #expect(result.operators.contains("MatMulInteger"))
        #expect(!result.operators.contains("apus.QuantizedMatMul"))
    }

    @Test func aScaleAlongAnotherAxisStays() throws {
        var test = try DynamicProduct("MatMulInteger", [6, 16], [16, 6], scaleShape: [6, 1])
        test.check.graph.outputs = [test.product]
        let result = try test.run()
        #expect(result.operators.contains("MatMulInteger"))
    }
}
