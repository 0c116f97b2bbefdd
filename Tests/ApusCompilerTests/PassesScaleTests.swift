import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor
import Testing

@Suite struct ScalePassTests {
    private static func device(_ kind: DeviceKind = .cpu) -> LoweringContext {
        LoweringContext(device: DeviceInfo(name: "test", kind: kind, computeUnits: 2, vectorWidth: 16))
    }

    /// Factors of a mean, a product with them, a 1x1 convolution.
    private func block(
        _ check: inout PassCheck,
        kernel: Int = 1,
        factorsFirst: Bool = false
    ) throws -> (product: ValueID, result: ValueID) {
        let x = try check.input([2, 24, 9, 7])
        let factors = check.node("Sigmoid", [check.node("GlobalAveragePool", [x])])
        let product = check.node("Mul", factorsFirst ? [factors, x] : [x, factors])
        let weights = try check.weights([16, 24, kernel, kernel])
        let result = check.node("Conv", [product, weights, try check.weights([16])])
        check.graph.outputs = [result]
        return (product, result)
    }

    @Test(arguments: [false, true])
    func theProductJoinsTheConvolution(factorsFirst: Bool) throws {
        var check = PassCheck()
        _ = try block(&check, factorsFirst: factorsFirst)
        let result = try check.run([.scale, .deadCode], lowering: Self.device())
        #expect(result.operators == ["GlobalAveragePool", "Sigmoid", "apus.ScaledConv"])
        #expect(result.nodes.last?.inputs.count == 4)
    }

    @Test func theDeviceDecides() throws {
        var check = PassCheck()
        _ = try block(&check)
        #expect(try check.run([.scale]).operators == check.graph.operators)
        #expect(try check.run([.scale], lowering: Self.device(.gpu)).operators == check.graph.operators)
        let disabled = try check.run([.scale], disabled: ["scale"], lowering: Self.device())
        #expect(disabled.operators == check.graph.operators)
        var distrusted = Self.device()
        distrusted.tuning.refuse("apus.ScaledConv", "convolution/direct.cl")
        #expect(try check.run([.scale], lowering: distrusted).operators == check.graph.operators)
    }

    @Test func otherProductsStay() throws {
        var read = PassCheck()
        let values = try block(&read)
        read.graph.outputs = [values.result, values.product]
        #expect(try read.run([.scale], lowering: Self.device()).operators == read.graph.operators)

        var window = PassCheck()
        _ = try block(&window, kernel: 3)
        #expect(try window.run([.scale], lowering: Self.device()).operators == window.graph.operators)

        var whole = PassCheck()
        let x = try whole.input([1, 24, 9, 7])
        let product = whole.node("Mul", [x, whole.node("Sigmoid", [x])])
        whole.graph.outputs = [whole.node("Conv", [product, try whole.weights([16, 24, 1, 1])])]
        #expect(try whole.run([.scale], lowering: Self.device()).operators == whole.graph.operators)
    }
}
