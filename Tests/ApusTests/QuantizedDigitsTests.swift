import Apus
import ApusBackends
import ApusCompiler
import ApusGraph
import ApusOpenCL
import ApusOperators
import ApusTensor
import Foundation
import Testing

/// The demo network with uint8 activations and int8 weights, a scale for each channel: with parameters of activations that
/// calibration found, in Q/DQ form and made of quantized operators, and quantized during the run.
@Suite struct QuantizedDigitsTests {
    private static func load(_ form: String = "int8") throws -> Model {
        try Model.load(Networks.folder + "/digits/digits-\(form).onnx")
    }

    @Test(arguments: ["int8", "qoperator", "dynamic"])
    func classesAreRight(form: String) throws {
        let digits = try Digits()
        let inputs: [String: RuntimeValue] = ["image": .tensor(digits.images)]
        let found = try classes(openCLSession(Self.load(form)).answer(inputs))
        let right = zip(found, digits.labels).count { $0 == Int($1) }
        #expect(Double(right) / Double(digits.labels.count) > 0.965, "\(right) of \(digits.labels.count) are right")
    }

    @Test(arguments: [("int8", 0), ("qoperator", 1), ("dynamic", 1)])
    func everyNodeRunsOnTheDevice(form: String, products: Int) throws {
        let graph = try Self.load(form).graph
        let executor = try OpenCLExecutor(graph, on: OpenCLDevice.all[0])
        let plan = try #require(try executor.plan([TensorType(.float32, [1, 1, 8, 8])]))
        #expect(plan.hostNodes.map(\.node.name) == [])
        let operators = plan.graph.nodes.map(\.displayType)
        #expect(operators.filter { $0 == "apus.QuantizedConv" }.count == 5)
        #expect(operators.filter { $0 == "apus.QuantizedMatMul" }.count >= products)
        #expect(!operators.contains { ["QuantizeLinear", "Conv", "ConvInteger", "Cast", "Add"].contains($0) })
    }

    @Test(arguments: OpenCLDevice.all.indices, ["int8", "qoperator"])
    func bytesAreThoseOfTheReference(device: Int, form: String) throws {
        let digits = try Digits()
        var graph = try PassPipeline.shapeFree.run(Self.load(form).graph)
        let bytes = graph.nodes.filter { node in
            if case .cast(let type, _)? = node.epilogue?.expression { type == .uint8 } else { false }
        }.compactMap { $0.outputs[0] }
        #expect(bytes.count >= 7)
        graph.outputs = bytes
        graph = graph.removingDeadCode()
        for count in [1, 5] {
            let inputs = try [#require(digits.input(count)["image"])]
            let expected = try GraphInterpreter(graph).run(inputs)
            let found = try OpenCLExecutor(graph, on: OpenCLDevice.all[device]).run(inputs, RunOptions()).outputs
            for (a, b) in zip(found, expected) {
                let (x, y) = (try a.tensor(), try b.tensor())
                #expect(x.type == y.type && x.type.elementType == .uint8)
                #expect(try x.integers() == y.integers())
            }
        }
    }

    @Test func withoutThePassTheModelComputesInFloats() throws {
        let digits = try Digits()
        let inputs = try digits.input(4)
        var options = Session.Options(device: .openCL(0))
        options.disabledPasses = ["quantization"]
        let plain = try Session(Self.load(), options: options).answer(inputs).array(of: Float.self)
        let folded = try openCLSession(Self.load()).answer(inputs).array(of: Float.self)
        for (a, b) in zip(plain, folded) { #expect(abs(a - b) < 0.05) }
    }

    /// The bytes of the input are exact; behind float sections a rounding may move one by a step.
    @Test(arguments: OpenCLDevice.all.indices)
    func dynamicBytesAreThoseOfTheReference(device: Int) throws {
        let digits = try Digits()
        var graph = try Self.load("dynamic").graph
        graph.outputs = graph.nodes.filter { $0.operatorType == "DynamicQuantizeLinear" }.compactMap { $0.outputs[0] }
        #expect(graph.outputs.count == 6)
        graph = graph.removingDeadCode()
        for count in [1, 5] {
            let inputs = try [#require(digits.input(count)["image"])]
            let expected = try GraphInterpreter(graph).run(inputs)
            let found = try OpenCLExecutor(graph, on: OpenCLDevice.all[device]).run(inputs, RunOptions()).outputs
            for (place, (a, b)) in zip(found, expected).enumerated() {
                let (x, y) = (try a.tensor(), try b.tensor())
                #expect(x.type == y.type && x.type.elementType == .uint8)
                let steps = zip(try x.integers(), try y.integers()).map { abs($0 - $1) }
                #expect(steps.max() ?? 0 <= (place == 0 ? 0 : 1))
                #expect(
                    steps.count { $0 > 0 } * 100 <= steps.count,
                    "\(steps.count { $0 > 0 }) of \(steps.count) moved"
                )
            }
        }
    }
}
