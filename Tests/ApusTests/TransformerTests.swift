import Apus
import ApusBackends
import ApusCompiler
import ApusGraph
import ApusOpenCL
import ApusTensor
import ApusVerification
import Foundation
import Testing

@testable import ApusONNX

/// The BERT encoder all-MiniLM-L6-v2 with seeded weights (Models/README.md).
@Suite struct TransformerTests {
    static func inputs(_ model: Model, batch: Int, length: Int) throws -> [String: RuntimeValue] {
        let vocabulary = 30522
        let key = SeededWeights.rangePrefix + "input:input_ids"
        let seed = try #require(model.metadata[SeededWeights.seedKey])
        let generator = try #require(
            try SeededWeights([SeededWeights.seedKey: seed, key: "0,\(vocabulary)"])
        )
        let floats = try generator.tensor(TensorType(.float32, [batch, length]), name: "input:input_ids")
        let ids = try floats.array(of: Float.self).map { min(Int64($0), Int64(vocabulary - 1)) }
        let rows = 0..<batch * length
        let mask = rows.map { $0 % length < length - 3 * ($0 / length) ? Int64(1) : 0 }
        let segments = rows.map { $0 % length < length / 2 ? Int64(0) : 1 }
        return [
            "input_ids": .tensor(try Tensor(shape: [batch, length], ids)),
            "attention_mask": .tensor(try Tensor(shape: [batch, length], mask)),
            "token_type_ids": .tensor(try Tensor(shape: [batch, length], segments)),
        ]
    }

    private func session(
        _ model: Model,
        disabling: Set<String> = [],
        precision: Session.Precision = .model
    ) throws -> Session {
        var options = Session.Options(device: .openCL(0), fallback: .never, disabledPasses: disabling)
        options.precision = precision
        return try Session(model, options: options)
    }

    @Test(arguments: [(1, 7), (2, 16)])
    func everyNodeRunsOnTheDeviceAndAgreesWithONNXRuntime(_ batch: Int, _ length: Int) throws {
        let model = try Networks.load("minilm")
        let inputs = try Self.inputs(model, batch: batch, length: length)
        let expected = try Npy.read(path: "\(Networks.folder)/minilm/output-b\(batch)-s\(length).npy")
        let found = try session(model).answer(inputs)
        let error = try ErrorMetrics(reference: expected, computed: found)
        #expect(error.nonFiniteMismatchCount == 0 && error.relativeL2 < 1e-4, "\(error)")
        let exact = try ErrorMetrics(reference: referenceSession(model).answer(inputs), computed: found)
        #expect(exact.nonFiniteMismatchCount == 0 && exact.relativeL2 < 1e-5, "\(exact)")
    }

    @Test func agreesWithoutThePassesForTransformers() throws {
        let model = try Networks.load("minilm")
        let inputs = try Self.inputs(model, batch: 2, length: 16)
        let expected = try Npy.read(path: "\(Networks.folder)/minilm/output-b2-s16.npy")
        let found = try session(model, disabling: ["layer-norm", "gelu", "attention"]).answer(inputs)
        let error = try ErrorMetrics(reference: expected, computed: found)
        #expect(error.nonFiniteMismatchCount == 0 && error.relativeL2 < 1e-4, "\(error)")
    }

    @Test(arguments: [Session.Precision.model, .bfloat16, .float16])
    func everyPatternIsFused(_ precision: Session.Precision) throws {
        let session = try session(Networks.load("minilm"), precision: precision)
        let plan = try #require(try session.executor.plan(Self.types(batch: 2, length: 9)))
        let counts = Dictionary(plan.nodes.map { ($0.node.displayType, 1) }, uniquingKeysWith: +)
        #expect(counts["apus.Attention"] == 6)
        let isNarrow = precision != .model
        #expect(counts["LayerNormalization"] == (isNarrow ? 1 : 13))
        #expect(counts["apus.LayerNormalization"] == (isNarrow ? 12 : nil) && (!isNarrow || counts["Cast"] == nil))
        #expect(counts["Softmax"] == nil && counts["Erf"] == nil && counts["ReduceMean"] == nil)
        #expect(counts["Transpose"] == nil)
    }

    static func types(batch: Int, length: Int) -> [TensorType] {
        [TensorType](repeating: TensorType(.int64, [batch, length]), count: 3)
    }

    @Test func newBatchesAndLengthsBuildNoProgram() throws {
        let cache = ProgramCache(.init(folder: nil))
        let session = try openCLSession(Networks.load("minilm"), cache: cache)
        _ = try session.executor.plan(Self.types(batch: 1, length: 7))
        let built = cache.statistics.sourceBuilds
        #expect(built > 0)
        for (batch, length) in [(1, 1), (1, 16), (2, 33), (3, 7), (3, 1), (2, 128)] {
            _ = try session.executor.plan(Self.types(batch: batch, length: length))
            #expect(cache.statistics.sourceBuilds == built, "batch \(batch), length \(length)")
        }
    }
}
