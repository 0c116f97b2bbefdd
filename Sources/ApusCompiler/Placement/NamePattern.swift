/// A pattern for names: `*` stands for any run of characters, `?` for one, `\` takes the next character as it is.
package struct NamePattern: Sendable, Hashable, CustomStringConvertible {
    private enum Token: Hashable {
        case anyRun
        case anyOne
        case character(Unicode.Scalar)
    }

    private let tokens: [Token]
    /// The text of the pattern.
    package let description: String

    /// Reads a pattern. `\u{1F}` stands for a character by its number.
    ///
    /// - Returns: `nil` where a `\` at the end, or a number that is no character, follows no rule.
    package init?(_ text: String) {
        description = text
        var tokens: [Token] = []
        var rest = Substring(text).unicodeScalars
        while let scalar = rest.popFirst() {
            switch scalar {
            case "*": if tokens.last != .anyRun { tokens.append(.anyRun) }
            case "?": tokens.append(.anyOne)
            case "\\":
                guard let escaped = rest.popFirst() else { return nil }
                if escaped == "u", rest.first == "{" {
                    guard let end = rest.firstIndex(of: "}"),
                        let number = UInt32(String(rest[rest.index(after: rest.startIndex)..<end]), radix: 16),
                        let character = Unicode.Scalar(number)
                    else { return nil }
                    tokens.append(.character(character))
                    rest = rest[rest.index(after: end)...]
                } else {
                    tokens.append(.character(escaped))
                }
            default: tokens.append(.character(scalar))
            }
        }
        self.tokens = tokens
    }

    /// The pattern that only one name fits.
    ///
    /// - Parameter isReserved: whether a text would mean something else.
    package init(exactly name: String, isReserved: (String) -> Bool = { _ in false }) {
        tokens = name.unicodeScalars.map { .character($0) }
        let last = name.unicodeScalars.count - 1
        var text = ""
        for (index, scalar) in name.unicodeScalars.enumerated() {
            let isEdge = index == 0 || index == last
            if scalar.value < 0x20 || scalar.properties.isWhitespace && (isEdge || scalar != " ") {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text += "*?\\".unicodeScalars.contains(scalar) ? "\\\(scalar)" : "\(scalar)"
            }
        }
        if isReserved(text), !text.isEmpty {
            let first = text.unicodeScalars.removeFirst()
            text = "\\u{\(String(first.value, radix: 16))}" + text
        }
        description = text
    }

    /// The only name that fits; `nil` where several do.
    package var exactName: String? {
        var name = String.UnicodeScalarView()
        for token in tokens {
            guard case .character(let scalar) = token else { return nil }
            name.append(scalar)
        }
        return String(name)
    }

    /// Whether a name fits.
    ///
    /// - Complexity: the product of both lengths at most.
    package func matches(_ name: String) -> Bool {
        let name = Array(name.unicodeScalars)
        var position = 0
        var token = 0
        var retry: (token: Int, position: Int)?
        while position < name.count {
            if token < tokens.count {
                switch tokens[token] {
                case .anyRun:
                    retry = (token, position)
                    token += 1
                    continue
                case .anyOne:
                    (token, position) = (token + 1, position + 1)
                    continue
                case .character(let scalar) where scalar == name[position]:
                    (token, position) = (token + 1, position + 1)
                    continue
                case .character: break
                }
            }
            guard let last = retry else { return false }
            retry = (last.token, last.position + 1)
            (token, position) = (last.token + 1, last.position + 1)
        }
        return tokens[token...].allSatisfy { $0 == .anyRun }
    }
}
