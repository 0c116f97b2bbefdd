import Apus
import ApusTensor
import ApusVerification
import Foundation
import Testing

@testable import ApusONNX

/// Whole networks against outputs that other engines computed. One at a time: the largest holds 550 MB of weights.
@Suite(.serialized) struct NetworkTests {
    @Test(
        arguments: [
            ("resnet18", 1), ("resnet18", 2), ("mobilenet_v2", 1), ("mobilenet_v2", 2), ("efficientnet_b0", 1),
            ("efficientnet_b0", 2), ("resnet50", 1), ("vgg16", 1), ("vit_b_16", 1),
        ]
    )
    func agreesWithONNXRuntime(_ name: String, _ batch: Int) throws {
        let model = try Networks.load(name)
        let expected = try Npy.read(path: "\(Networks.folder)/\(name)/output-b\(batch).npy")
        let found = try openCLSession(model).answer(Networks.input(model, batch: batch))
        let error = try ErrorMetrics(reference: expected, computed: found)
        #expect(error.nonFiniteMismatchCount == 0 && error.relativeL2 < 1e-4, "\(error)")
        #expect(try classes(found) == classes(expected))
    }

    @Test(arguments: ["resnet18", "mobilenet_v2"])
    func agreesWithTheReference(_ name: String) throws {
        let model = try Networks.load(name)
        let inputs = try Networks.input(model, batch: 1)
        let expected = try referenceSession(model).answer(inputs)
        let error = try ErrorMetrics(reference: expected, computed: openCLSession(model).answer(inputs))
        #expect(error.nonFiniteMismatchCount == 0 && error.relativeL2 < 1e-5, "\(error)")
    }

    /// The tolerances are those of the onnx package's own test (Models/README.md).
    @Test(
        arguments: [
            ("bvlc_alexnet", 1e-3), ("densenet121", 2e-3), ("inception_v1", 1e-3), ("inception_v2", 1e-3),
            ("resnet50", 1e-3), ("shufflenet", 1e-3), ("squeezenet", 1e-3), ("vgg19", 1e-3), ("zfnet512", 1e-3),
        ]
    )
    func lightNetworkIsRight(_ name: String, _ relativeTolerance: Double) throws {
        let path = "\(Networks.folder)/light/light_\(name)"
        let model = try Model.load(path + ".onnx")
        let port = try #require(model.inputs.first)
        #expect(model.inputs.count == 1)
        let shape = try #require(port.shape?.compactMap { $0 })
        let count = shape.reduce(1, *)
        let input = try Tensor(shape: shape, (0..<count).map { Float($0) / Float(count) })
        let bytes = try Data(contentsOf: URL(filePath: path + "_output_0.pb"))
        let expected = try ONNXImporter.value(bytes: Array(bytes)).tensor()
        let found = try openCLSession(model).answer([port.name: .tensor(input)])
        #expect(found.type == expected.type)
        let wrong = try zip(found.array(of: Float.self), expected.array(of: Float.self)).filter { found, expected in
            !(abs(Double(found) - Double(expected)) <= 1e-7 + relativeTolerance * abs(Double(expected)))
        }
        #expect(wrong.isEmpty, "\(wrong.count) of \(found.elementCount) elements, first \(wrong.prefix(3))")
    }
}
