import ApusBackends
import ApusCompiler
import ApusDevice
import ApusGraph
import ApusOpenCL
import ApusOperatorSuite
import ApusOperators
import ApusTensor
import ApusVerification
import Testing

/// Every case of the suite on every device there is, against the reference.
@Suite struct OperatorSuiteTests {
    static let devices = OpenCLDevice.all.indices
    static let types = Set(OperatorSuite.cases.map(\.operatorType)).sorted()

    @Test(arguments: devices, types)
    func agreesWithReference(_ device: Int, _ operatorType: String) throws {
        for operatorCase in OperatorSuite.cases where operatorCase.operatorType == operatorType {
            let (graph, inputs) = try operatorCase.makeGraph()
            let expected = try GraphInterpreter(graph).run(inputs)
            var options = ExecutorOptions()
            options.disabledPasses = ["constants", "identity", "epilogue", "pointwise"]
            let executor = try OpenCLExecutor(graph, on: OpenCLDevice.all[device], options: options)
            let results: RunResult
            do {
                results = try executor.run(inputs, RunOptions())
            } catch {
                Issue.record("\(operatorCase): \(error)")
                continue
            }
            #expect(results.outputs.count == expected.count, "\(operatorCase)")
            for (index, (found, wanted)) in zip(results.outputs, expected).enumerated() {
                guard case .tensor(let wanted) = wanted, case .tensor(let found) = found else { continue }
                #expect(found.type == wanted.type, "\(operatorCase) output \(index)")
                guard found.type == wanted.type else { continue }
                let error = relativeError(found, wanted)
                #expect(
                    error <= operatorCase.tolerance,
                    "\(operatorCase) output \(index): relative L2 error \(error) above \(operatorCase.tolerance)"
                )
            }
        }
    }
}
