import Apus
import ApusDevice
import ApusGraph
import ApusTensor
import ApusVerification
import Foundation

/// The folders of a suite that hold a case: `test_*` with a `model.onnx`, by name.
///
/// - Throws: `ModelError` with code `invalidFile` if there is none.
func conformanceCases(in folder: String) throws(ModelError) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let cases = names.filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/model.onnx") }.sorted()
    if cases.isEmpty { throw ModelError(.invalidFile, "the folder holds no test_*/model.onnx", file: folder) }
    return cases.map { "\(folder)/\($0)" }
}

/// Runs cases of the ONNX backend suite by their folders.
struct ConformanceWorker {
    let device: DeviceSelection

    /// The outcome of a case whose worker gave none.
    static func blame(_ folder: String, _ failure: WorkerPool.Failure) -> ConformanceOutcome {
        let name = (folder as NSString).lastPathComponent
        switch failure {
        case .crashed(let cause): return ConformanceOutcome(name: name, status: .crashed, reason: cause)
        case .timedOut(let cause): return ConformanceOutcome(name: name, status: .timedOut, reason: cause)
        }
    }

    func run(_ folder: String) -> ConformanceOutcome {
        let name = (folder as NSString).lastPathComponent
        func outcome(_ status: ConformanceOutcome.Status, _ reason: String) -> ConformanceOutcome {
            ConformanceOutcome(name: name, status: status, reason: reason)
        }
        do {
            let model = try Model.load("\(folder)/model.onnx")
            let session = try Session(model, options: Session.Options(device: device))
            var sets = 0
            while FileManager.default.fileExists(atPath: "\(folder)/test_data_set_\(sets)") {
                let data = "\(folder)/test_data_set_\(sets)"
                var inputs: [String: RuntimeValue] = [:]
                for (index, id) in model.graph.inputs.enumerated() {
                    let value = model.graph[id]
                    inputs[value.name] = try readValue("\(data)/input_\(index).pb", type: value.type)
                }
                let outputs = try session.runBlocking(inputs)
                for (index, id) in model.graph.outputs.enumerated() {
                    let value = model.graph[id]
                    let expected = try readValue("\(data)/output_\(index).pb", type: value.type)
                    guard let found = outputs[value.name] else { return outcome(.failed, "no output \(value.name)") }
                    if let problem = conformanceProblem(found, expected: expected) {
                        return outcome(.failed, "output \(index): \(problem)")
                    }
                }
                sets += 1
            }
            return sets > 0
                ? ConformanceOutcome(name: name, status: .passed) : outcome(.failed, "there is no test_data_set_0")
        } catch let error as ModelError {
            return outcome(error.code == .unsupported ? .unsupported : .failed, error.message)
        } catch let error as BackendError {
            return outcome(error.code == .unsupported ? .unsupported : .failed, error.message)
        } catch {
            return outcome(.failed, "\(error)")
        }
    }
}
