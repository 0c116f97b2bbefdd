import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOperators
import ApusTensor
import Testing

@Suite struct DepthwisePassTests {
    private static func device(_ kind: DeviceKind = .cpu, fused: Bool? = true) -> LoweringContext {
        LoweringContext(
            device: DeviceInfo(name: "test", kind: kind, computeUnits: 2, localMemoryBytes: 1 << 20, vectorWidth: 16),
            tuning: TuningTable(fusesDepthwise: fused)
        )
    }

    private static let window: [String: AttributeValue] = ["group": .int(24), "pads": .ints([1, 1, 1, 1])]

    /// A 1x1 convolution, Relu, a depthwise 3x3 convolution, HardSwish.
    private func chain(
        _ check: inout PassCheck,
        group: Int64 = 24,
        _ shape: [Int] = [2, 8, 9, 7]
    ) throws -> (first: ValueID, middle: ValueID, last: ValueID) {
        let x = try check.input(shape)
        let inputs: [ValueID?] = [x, try check.weights([24, shape[1], 1, 1]), try check.weights([24])]
        let first = check.node("Conv", inputs)
        let middle = check.node("Relu", [first])
        var attributes = Self.window
        attributes["group"] = .int(group)
        let weights = try check.weights([24, 24 / Int(group), 3, 3], seed: 3)
        let depthwise = check.node("Conv", [middle, weights, try check.weights([24], seed: 5)], attributes)
        let last = check.node("HardSwish", [depthwise])
        check.graph.outputs = [last]
        return (first, middle, last)
    }

    private let passes: [GraphPass] = [.epilogue, .depthwise]

    @Test func bothConvolutionsBecomeOneNode() throws {
        var check = PassCheck()
        _ = try chain(&check)
        let result = try check.run(passes, lowering: Self.device())
        #expect(result.operators == ["apus.ConvDepthwise"])
        let node = try #require(result.nodes.first)
        #expect(node.epilogue != nil && node.inputs.count == 5)
        #expect(try ConvDepthwise(node).formula != nil)
    }

    @Test func theDeviceDecides() throws {
        var check = PassCheck()
        _ = try chain(&check)
        let separate = ["Conv", "Conv"]
        #expect(try check.run(passes).operators == separate)
        #expect(try check.run(passes, lowering: Self.device(.gpu)).operators == separate)
        #expect(try check.run(passes, lowering: Self.device(fused: false)).operators == separate)
        var distrusted = Self.device()
        distrusted.tuning.refuse("apus.ConvDepthwise", "depthwise/fused.cl")
        #expect(try check.run(passes, lowering: distrusted).operators == separate)
        let disabled = try check.run(passes, disabled: ["depthwise"], lowering: Self.device())
        #expect(disabled.operators == separate)
    }

    @Test func aValueThatIsReadElsewhereStays() throws {
        var check = PassCheck()
        let values = try chain(&check)
        check.graph.outputs = [values.last, values.middle]
        #expect(try check.run(passes, lowering: Self.device()).operators == ["Conv", "Conv"])
        check.graph.outputs = [values.last, check.node("Sqrt", [values.middle])]
        #expect(try check.run([.depthwise], lowering: Self.device()).operators.contains("apus.ConvDepthwise") == false)
    }

    @Test func otherGroupsAndFormulasStay() throws {
        var check = PassCheck()
        _ = try chain(&check, group: 12)
        #expect(try check.run(passes, lowering: Self.device()).operators == ["Conv", "Conv"])

        var slopes = PassCheck()
        let x = try slopes.input([1, 8, 9, 7])
        let first = slopes.node("Conv", [x, try slopes.weights([24, 8, 1, 1])])
        let scaled = slopes.node("Mul", [first, try slopes.weights([24, 1, 1])])
        slopes.graph.outputs = [slopes.node("Conv", [scaled, try slopes.weights([24, 1, 3, 3])], Self.window)]
        #expect(try slopes.run(passes, lowering: Self.device()).operators == ["Conv", "Conv"])
    }

    /// The decision is the same for every batch, so that a new one finds its programs built.
    @Test(arguments: [[8, 112, 112], [8, 56, 56], [64, 14, 14], [160, 7, 7], [320, 7, 7], [24, 5, 300]])
    func theBatchDoesNotDecide(_ image: [Int]) throws {
        func operators(_ batch: Int) throws -> [String] {
            var check = PassCheck()
            _ = try chain(&check, [batch] + image)
            let types = KnownTypes(check.graph, PassContext()).types
            let context = PassContext(types: types, lowering: Self.device(fused: nil))
            return try PassPipeline(passes).run(check.graph, context: context).operators
        }
        #expect(try operators(1) == operators(7))
    }
}
