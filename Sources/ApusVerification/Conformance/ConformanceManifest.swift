package import ApusCompiler
package import ApusTensor

/// The cases of a suite that are known not to pass, each with its reason, and those that are not run.
///
/// One case a line: name, a tab, the reason. Where the reason begins with `not run: `, the name is a pattern of names, in
/// which `*` stands for any run of characters. Lines that begin with `#` and empty lines do not count.
package struct ConformanceManifest: Sendable, Hashable {
    /// Cases that are not run.
    package struct Omission: Sendable, Hashable {
        package var pattern: NamePattern
        package var reason: String
    }

    /// The reason by the name of the case.
    package private(set) var reasons: [String: String] = [:]
    package private(set) var omissions: [Omission] = []

    private static let omissionMark = "not run: "

    package init() {}

    /// - Throws: `ModelError` with code `invalidInput` that names the line.
    package init(parsing text: String) throws(ModelError) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "\t", maxSplits: 1)
            guard parts.count == 2 else {
                throw ModelError(.invalidInput, "line \(index + 1): expected a name, a tab and a reason")
            }
            if parts[1].hasPrefix(Self.omissionMark) {
                guard let pattern = NamePattern(String(parts[0])) else {
                    throw ModelError(.invalidInput, "line \(index + 1): \(parts[0]) is no pattern")
                }
                let reason = String(parts[1].dropFirst(Self.omissionMark.count))
                omissions.append(Omission(pattern: pattern, reason: reason))
                continue
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

    /// Why a case is not run; `nil` where it is.
    package func omission(of name: String) -> Omission? { omissions.first { $0.pattern.matches(name) } }

    /// The manifest of these outcomes as text, with the omissions that there were.
    package static func text(
        _ outcomes: [ConformanceOutcome],
        omissions: [Omission] = [],
        header: String
    ) -> String {
        let omitted = omissions.map { "\($0.pattern)\t\(omissionMark)\($0.reason)\n" }
        let lines = outcomes.filter { $0.status != .passed }.map { outcome in
            let reason = (outcome.reason ?? outcome.status.rawValue).split(whereSeparator: \.isNewline)
                .joined(separator: " ")
            return "\(outcome.name)\t\(outcome.status.rawValue): \(reason)"
        }
        return header.split(separator: "\n").map { "# \($0)\n" }.joined() + omitted.joined()
            + lines.sorted().map { $0 + "\n" }.joined()
    }
}
