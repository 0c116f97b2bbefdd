import Apus
import ApusOpenCL
import ApusTensor
import Foundation
import Testing

@testable import ApusONNX

/// The networks of the repository.
enum Networks {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Models").path

    static func path(_ name: String) -> String { "\(folder)/\(name)/\(name).onnx" }

    static func load(_ name: String) throws -> Model { try Model.load(path(name)) }

    /// The input that the committed outputs of a network were computed from (Models/README.md).
    static func input(_ model: Model, batch: Int) throws -> [String: RuntimeValue] {
        let port = try #require(model.inputs.first)
        let key = SeededWeights.rangePrefix + "input:" + port.name
        let seed = try #require(model.metadata[SeededWeights.seedKey])
        let weights = try #require(try SeededWeights([SeededWeights.seedKey: seed, key: "-1,1"]))
        let type = TensorType(.float32, [batch, 3, 224, 224])
        return [port.name: .tensor(try weights.tensor(type, name: "input:" + port.name))]
    }
}

/// The held-out data of the demo network.
struct Digits {
    let model: Model
    let images: Tensor
    let labels: [Int64]

    init() throws {
        model = try Networks.load("digits")
        images = try Npy.read(path: Networks.folder + "/digits/heldout-images.npy")
        labels = try Npy.read(path: Networks.folder + "/digits/heldout-labels.npy").array(of: Int64.self)
    }

    /// The first images as an input of the network.
    func input(_ count: Int) throws -> [String: RuntimeValue] {
        let elements = try images.array(of: Float.self).prefix(count * 64)
        return ["image": .tensor(try Tensor(shape: [count, 1, 8, 8], Array(elements)))]
    }
}

extension Session {
    /// The only output, as float32.
    func answer(_ inputs: [String: RuntimeValue]) throws -> Tensor {
        try #require(try runBlocking(inputs).values.first).tensor()
    }
}

/// The index of the largest element of each row of a matrix.
func classes(_ matrix: Tensor) throws -> [Int] {
    let elements = try matrix.array(of: Float.self)
    let width = matrix.shape[1]
    return (0..<matrix.shape[0]).map { row in
        (0..<width).max { elements[row * width + $0] < elements[row * width + $1] } ?? -1
    }
}

/// A session on the first OpenCL device.
func openCLSession(_ model: Model, cache: ProgramCache = .shared) throws -> Session {
    try Session(model, options: Session.Options(device: .openCL(0)), observesValues: false, cache: cache)
}

func referenceSession(_ model: Model) throws -> Session {
    try Session(model, options: Session.Options(device: .reference))
}

/// A folder of its own for one test.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    var files: [String] {
        ((try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []).sorted().filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(path)/\($0)", isDirectory: &isFolder)
                && !isFolder.boolValue
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
