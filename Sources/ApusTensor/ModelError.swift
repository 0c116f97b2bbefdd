/// A model, or a value given to one, is wrong or unsupported.
public struct ModelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of fault was found.
    public enum Code: String, Sendable, Hashable {
        /// A file is missing, unreadable, truncated or not of the expected format.
        case invalidFile
        /// The model breaks a rule of ONNX.
        case invalidModel
        /// The model is well-formed, but uses what the engine does not implement.
        case unsupported
        /// A value given at run time does not fit the model.
        case invalidInput
        /// A bound on memory, folding or iterations was reached.
        case limitExceeded
        /// The run was cancelled or its deadline passed.
        case cancelled
    }

    /// The kind of fault.
    public var code: Code
    /// What was expected and what was found, without the place.
    public var message: String
    /// The file at fault.
    public var file: String?
    /// The node at fault.
    public var node: String?
    /// The operator of the node at fault, such as `Conv`.
    public var operatorType: String?

    /// An error at a place that may be filled in later.
    public init(
        _ code: Code,
        _ message: String,
        file: String? = nil,
        node: String? = nil,
        operatorType: String? = nil
    ) {
        self.code = code
        self.message = message
        self.file = file
        self.node = node
        self.operatorType = operatorType
    }

    /// The same error with a node named, unless one is named already.
    public func at(node: String, operatorType: String) -> ModelError {
        var error = self
        if error.node == nil && error.operatorType == nil {
            error.node = node
            error.operatorType = operatorType
        }
        return error
    }

    /// The same error with a file named, unless one is named already.
    public func at(file: String) -> ModelError {
        var error = self
        error.file = error.file ?? file
        return error
    }

    /// File, node, operator and message in one line.
    public var description: String {
        var place = file.map { "\($0): " } ?? ""
        if let operatorType {
            place +=
                node.map { $0.isEmpty ? "unnamed \(operatorType) node: " : "node \"\($0)\" (\(operatorType)): " }
                ?? "\(operatorType): "
        } else if let node {
            place += "node \"\(node)\": "
        }
        return (place + message).map(escaped).joined()
    }

    /// Names come from the file: control characters must not reach a terminal or a log.
    private func escaped(_ character: Character) -> String {
        character.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
            ? character.unicodeScalars.map { "\\u{\(String($0.value, radix: 16))}" }.joined() : String(character)
    }
}
