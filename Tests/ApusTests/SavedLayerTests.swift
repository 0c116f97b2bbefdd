import Apus
import ApusBackends
import ApusGraph
import ApusLowering
import ApusONNX
import ApusOpenCL
import ApusOperatorSuite
import ApusOperators
import ApusTensor
import ApusVerification
import Foundation
import Testing

/// The first bad layer of a run is cut out, written, read again and run.
@Suite struct SavedLayerTests {
    /// A digit network's answer with one value spoiled, as a bad kernel would.
    @Test(arguments: [false, true])
    func badLayersStandAlone(_ isFused: Bool) throws {
        let digits = try Digits()
        let model = digits.model
        let device = try #require(OpenCLDevice.all.last)
        var options = ExecutorOptions()
        options.observesValues = true
        if !isFused { options.disabledPasses = ["epilogue", "pointwise", "batch-norm", "pad", "depthwise"] }
        options.rewriteKernel = { program, text in
            ["depthwise/direct.cl", "depthwise/fused.cl"].contains(program.file)
                ? text.replacingOccurrences(of: "fma(", with: "1e-2f + fma(") : text
        }
        let executor = try OpenCLExecutor(
            model.graph,
            on: device,
            options: options,
            cache: ProgramCache(.init(folder: nil))
        )
        let inputs = Array(try digits.input(2).values)
        let found = try executor.run(inputs, RunOptions())
        let comparison = GraphComparison(model.graph, tolerance: ComparisonTolerance(relativeL2: 1e-5))
        let report = try comparison.run(inputs, observed: found.observed, outputs: found.outputs)
        let bad = try #require(report.firstBad)
        #expect(bad.node.contains("depthwise") || isFused, "\(bad)")

        let layer = try comparison.extract(bad.name, report, inputs: inputs)
        #expect(layer.graph.nodes.contains { $0.operatorType == "Conv" })
        #expect(layer.graph.nodes.count <= (isFused ? 4 : 1), "\(layer.graph.nodes.map(\.operatorType))")
        let read = try Model.load(bytes: try ONNXExporter.bytes(of: layer.graph))
        #expect(read.inputs.map(\.name) == layer.graph.inputs.map { layer.graph[$0].name })
        let again = try GraphInterpreter(read.graph).run(layer.inputs)
        let wanted = try layer.output.tensor()
        #expect(again.count == 1)
        #expect(try relativeError(again[0].tensor(), wanted) == 0)

        var broken = ExecutorOptions()
        broken.rewriteKernel = options.rewriteKernel
        broken.disabledPasses = options.disabledPasses
        let alone = try OpenCLExecutor(read.graph, on: device, options: broken, cache: ProgramCache(.init(folder: nil)))
        let answer = try alone.run(layer.inputs, RunOptions()).outputs[0].tensor()
        #expect(relativeError(answer, wanted) > 1e-5)
    }

    /// Every case of the operator suite that ONNX can express survives a file.
    @Test func graphsSurviveAFile() throws {
        var count = 0
        for operatorCase in OperatorSuite.cases where operatorCase.domain.isEmpty && operatorCase.epilogue == nil {
            var (graph, inputs) = try operatorCase.makeGraph()
            for (id, value) in zip(graph.inputs, inputs) { graph[id].type = ValueType(describing: value) }
            guard graph.constants.values.allSatisfy({ if case .sequence = $0 { false } else { true } }) else {
                continue
            }
            let expected = try GraphInterpreter(graph).run(inputs)
            let read = try Model.load(bytes: try ONNXExporter.bytes(of: graph))
            let found = try GraphInterpreter(read.graph).run(inputs)
            for (found, expected) in zip(found, expected) {
                #expect(conformanceProblem(found, expected: expected) == nil, "\(operatorCase)")
            }
            count += 1
        }
        #expect(count > 1000)
    }
}
