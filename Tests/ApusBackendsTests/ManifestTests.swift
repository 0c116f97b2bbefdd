import ApusCompiler
import ApusTensor
import ApusVerification
import Testing

@Suite struct ManifestTests {
    private let text = """
        # A comment.

        work-item Conv *\tnot run: takes long
        work-item Add a*b\tfailed: output 0
        """

    private func outcome(_ name: String, _ status: ConformanceOutcome.Status) -> ConformanceOutcome {
        ConformanceOutcome(name: name, status: status, reason: status == .passed ? nil : "output 0")
    }

    @Test func linesAreReasonsOrOmissions() throws {
        let manifest = try ConformanceManifest(parsing: text)
        #expect(manifest.reasons == ["work-item Add a*b": "failed: output 0"])
        #expect(manifest.omissions.map(\.reason) == ["takes long"])
        #expect(manifest.omission(of: "work-item Conv 3x3")?.pattern.description == "work-item Conv *")
        for name in ["work-group Conv 3x3", "work-item ConvTranspose 3x3", "work-item Add a*b"] {
            #expect(manifest.omission(of: name) == nil)
        }
    }

    @Test func outcomesAreHeldAgainstIt() throws {
        let manifest = try ConformanceManifest(parsing: text)
        #expect(manifest.contradictions([outcome("work-item Add a*b", .failed), outcome("x", .passed)]).isEmpty)
        for outcomes in [[], [outcome("work-item Add a*b", .passed)]] {
            #expect(manifest.contradictions(outcomes).count == 1)
        }
        #expect(manifest.contradictions([outcome("work-item Add a*b", .failed), outcome("x", .crashed)]).count == 1)
    }

    @Test func whatIsWrittenIsRead() throws {
        let manifest = try ConformanceManifest(parsing: text)
        let outcomes = [outcome("work-item Add a*b", .failed), outcome("x", .passed)]
        let written = ConformanceManifest.text(outcomes, omissions: manifest.omissions, header: "One.\nTwo.")
        #expect(written.hasPrefix("# One.\n# Two.\nwork-item Conv *\tnot run: takes long\n"))
        #expect(try ConformanceManifest(parsing: written) == manifest)
    }

    @Test(arguments: ["name", "a\tfailed: x\na\tfailed: y", "a\\\tnot run: x"])
    func otherLinesAreRefused(_ text: String) {
        let error = #expect(throws: ModelError.self) { try ConformanceManifest(parsing: text) }
        #expect(error?.message.contains("line ") == true)
    }
}
