import ApusBackends
import ApusDevice
import ApusLowering
import ApusOpenCL
import ApusOperatorSuite
import ApusTensor
import ApusVerification
import Foundation
import Testing

/// Certification finds kernels that are broken on purpose.
@Suite struct CertificationTests {
    private let device: OpenCLDevice
    private let relu: OperatorCase
    private let conv: OperatorCase

    init() throws {
        device = try #require(OpenCLDevice.all.last)
        relu = try #require(
            OperatorSuite.cases.first { $0.operatorType == "Relu" && $0.inputs.contains(where: Self.isFloat) }
        )
        conv = try #require(OperatorSuite.cases.first { $0.operatorType == "Conv" && $0.tolerance <= 1e-5 })
    }

    private static func isFloat(_ input: OperatorCase.Input) -> Bool {
        if case .random(let type, _) = input { type.elementType == .float32 && type.elementCount > 20 } else { false }
    }

    /// A certification whose programs are built from changed text and kept nowhere.
    private func certifying(
        repetitions: Int = 1,
        rewriting rewrite: @escaping @Sendable (KernelProgram, String) -> String = { $1 }
    ) -> Certification {
        var result = Certification(device, cache: ProgramCache(.init(folder: nil)), repetitions: repetitions)
        result.rewriteKernel = rewrite
        return result
    }

    /// The text of a generated pointwise kernel of one operand with statements at its begin and its end.
    @Sendable private static func surrounding(_ text: String, _ begin: String, _ end: String) -> String {
        guard let start = text.range(of: ") {\n"), let last = text.lastIndex(of: "}") else { return text }
        return text[..<start.upperBound] + begin + text[start.upperBound..<last] + end + "}\n"
    }

    @Test func soundKernelsPass() throws {
        let verdict = try certifying(repetitions: 3).judge(relu)
        #expect(verdict.isGood && verdict.isOnDevice, "\(verdict)")
        #expect(verdict.kernels == ["pointwise"])
    }

    @Test(arguments: ["before", "behind"])
    func writesOutsideOfOperandsAreFound(_ place: String) throws {
        let outputs = try relu.makeGraph().inputs[0].tensor().elementCount
        let statement = "b1[o1 + \(place == "before" ? -1 : outputs)] = 1.0f;\n"
        let verdict = try certifying { Self.surrounding($1, "", statement) }.judge(relu)
        let problem = try #require(verdict.problem)
        #expect(problem.contains("wrote") && problem.contains(place), "\(problem)")
    }

    @Test func resultsThatChangeAreFound() throws {
        let broken = certifying(repetitions: 2) {
            Self.surrounding(
                $1,
                "const float old = b1[o1 - 4];\n",
                "if (get_global_id(0) == 0 && old == old) b1[o1] = 9.0f; b1[o1 - 4] = 1.0f;\n"
            )
        }
        #expect(try broken.judge(relu).problem?.contains("a race") == true)
        #expect(try certifying(rewriting: { $1 }).judge(relu).isGood)
    }

    @Test func unwrittenMemoryIsNoNumber() throws {
        let verdict = try certifying { Self.surrounding($1, "units = 0;\n", "") }.judge(relu)
        #expect(verdict.problem?.contains("relative L2") == true, "\(verdict)")
    }

    /// What the accumulators of the tile kernels start from.
    private static let accumulatorStart = "(FLOATV)(0.0f)"

    @Test(arguments: ["(FLOATV)(1e-3f)", "is_no_function()"])
    func brokenConvolutionsStepDown(_ change: String) throws {
        let rewrite: @Sendable (KernelProgram, String) -> String = {
            $0.file == "convolution/direct.cl" ? $1.replacingOccurrences(of: Self.accumulatorStart, with: change) : $1
        }
        var certification = certifying(rewriting: rewrite)
        let verdict = try certification.judge(conv, as: .workItemTile)
        #expect(!verdict.isGood, "\(verdict)")

        let folder = NSTemporaryDirectory() + "apus-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let cache = ProgramCache(.init(folder: folder))
        let review = RefusalReview([(conv, verdict)], by: certification, known: cache.refusals(on: device.info))
        #expect(review.found.map(\.variant) == ["convolution/direct.cl"])
        #expect(cache.remember(review.refusals, on: device.info))

        certification.tuning = TuningTable(refusalsOn: device.info, in: ProgramCache(.init(folder: folder)))
        let avoiding = try certification.judge(conv, as: .workItemTile)
        #expect(avoiding.isGood && avoiding.isOnDevice, "\(avoiding)")
        #expect(avoiding.kernels.contains("convolution/portable.cl"), "\(avoiding.kernels)")

        let cleared = RefusalReview([(conv, avoiding)], by: certification, known: review.refusals)
        #expect(cleared.refusals == review.refusals, "what did not run is neither refused nor trusted")
    }

    @Test func refusalsEndWithTheTextOfTheKernel() throws {
        let folder = NSTemporaryDirectory() + "apus-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let cache = ProgramCache(.init(folder: folder))
        var refusal = Refusal(
            operatorType: "Conv",
            variant: "convolution/direct.cl",
            digest: kernelDigest("convolution/direct.cl"),
            reason: "for the test"
        )
        cache.remember([refusal], on: device.info)
        #expect(TuningTable(refusalsOn: device.info, in: cache).refuses("Conv", "convolution/direct.cl"))
        refusal.digest = ProgramCache.digest(of: "an older text")
        cache.remember([refusal], on: device.info)
        #expect(!TuningTable(refusalsOn: device.info, in: cache).refuses("Conv", "convolution/direct.cl"))
    }
}
