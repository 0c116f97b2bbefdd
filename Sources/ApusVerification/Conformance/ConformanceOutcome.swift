/// What became of one case of the ONNX backend suite.
package struct ConformanceOutcome: Sendable, Hashable, Codable {
    package enum Status: String, Sendable, Hashable, Codable, CaseIterable {
        case passed
        /// The answer is wrong, or the model was refused as invalid.
        case failed
        /// An operator, a type or a kind of value is not supported.
        case unsupported
        case crashed
        case timedOut = "timed out"
    }

    package var name: String
    package var status: Status
    /// Why the case did not pass.
    package var reason: String?

    package init(name: String, status: Status, reason: String? = nil) {
        self.name = name
        self.status = status
        self.reason = reason
    }
}
