import Apus
import ApusGraph
import ApusONNX
import ApusTensor
import ApusVerification
import Foundation

/// A layer on disk: `model.onnx` with `test_data_set_0/input_N.pb` and `output_0.pb` beside it, as the ONNX backend
/// suite lays its cases out.
struct SavedLayer {
    let folder: String
    let layer: ExtractedLayer

    /// - Throws: `ModelError` that names the file that cannot be written.
    func write() throws {
        let data = "\(folder)/test_data_set_0"
        do {
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        } catch {
            throw ModelError(.invalidFile, "the folder cannot be made", file: data)
        }
        try writeFile(try ONNXExporter.bytes(of: layer.graph), to: "\(folder)/model.onnx")
        for (index, (id, value)) in zip(layer.graph.inputs, layer.inputs).enumerated() {
            let bytes = try ONNXImporter.bytes(of: value, name: layer.graph[id].name)
            try writeFile(bytes, to: "\(data)/input_\(index).pb")
        }
        for id in layer.graph.outputs {
            let bytes = try ONNXImporter.bytes(of: layer.output, name: layer.graph[id].name)
            try writeFile(bytes, to: "\(data)/output_0.pb")
        }
    }

    /// Loads the file and runs it.
    ///
    /// - Returns: how the answer differs from the reference's; `nil` where the two cannot be compared.
    /// - Throws: `ModelError` or `BackendError`.
    func run(_ options: Session.Options) throws -> ErrorMetrics? {
        let model = try Model.load("\(folder)/model.onnx")
        var inputs: [String: RuntimeValue] = [:]
        for (port, value) in zip(model.inputs, layer.inputs) { inputs[port.name] = value }
        let outputs = try Session(model, options: options).runBlocking(inputs)
        guard case .tensor(let wanted) = layer.output, let found = try outputs.values.first?.tensor() else {
            return nil
        }
        return try ErrorMetrics(reference: wanted, computed: found)
    }
}
