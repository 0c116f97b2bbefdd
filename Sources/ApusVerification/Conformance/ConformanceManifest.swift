package import ApusTensor

/// The cases of the ONNX backend suite that are known not to pass, each with its reason.
///
/// One case a line: name, a tab, the reason. Lines that begin with `#` and empty lines do not count.
package struct ConformanceManifest: Sendable, Hashable {
    /// The reason by the name of the case.
    package private(set) var reasons: [String: String] = [:]

    package init() {}

    /// - Throws: `ModelError` with code `invalidInput` that names the line.
    package init(parsing text: String) throws(ModelError) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "\t", maxSplits: 1)
            guard parts.count == 2 else {
                throw ModelError(.invalidInput, "line \(index + 1): expected a name, a tab and a reason")
            }
            guard reasons.updateValue(String(parts[1]), forKey: String(parts[0])) == nil else {
                throw ModelError(.invalidInput, "line \(index + 1): \(parts[0]) is listed twice")
            }
        }
    }

    /// What contradicts the manifest: cases that fail and are not listed, listed ones that pass or do not exist.
    package func contradictions(_ outcomes: [ConformanceOutcome]) -> [String] {
        var result: [String] = []
        var unseen = Set(reasons.keys)
        for outcome in outcomes {
            let isListed = unseen.remove(outcome.name) != nil
            if outcome.status == .passed, isListed {
                result.append("\(outcome.name) passes: take it off the manifest")
            } else if outcome.status != .passed, !isListed {
                result.append("\(outcome.name) \(outcome.status.rawValue): \(outcome.reason ?? "")")
            }
        }
        return result + unseen.sorted().map { "\($0) is on the manifest, and there is no such case" }
    }

    /// The manifest of these outcomes as text.
    package static func text(_ outcomes: [ConformanceOutcome], header: String) -> String {
        let lines = outcomes.filter { $0.status != .passed }.map { outcome in
            let reason = (outcome.reason ?? outcome.status.rawValue).split(whereSeparator: \.isNewline)
                .joined(separator: " ")
            return "\(outcome.name)\t\(outcome.status.rawValue): \(reason)"
        }
        return header.split(separator: "\n").map { "# \($0)\n" }.joined() + lines.sorted().map { $0 + "\n" }.joined()
    }
}
