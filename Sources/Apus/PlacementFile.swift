package import ApusCompiler
import ApusONNX
import ApusTensor

/// Which layers of a model run on which device, as text.
///
///     # The first part on the GPU, the rest on the CPU.
///     stage features opencl:gpu
///         /stem/*
///         /layer1/*
///     stage head opencl:cpu
///         rest
///
/// A line `stage NAME DEVICE` begins a stage, one part of the model on one device; a device may have several. Each line
/// below it selects layers: a pattern for their names, in which `*` stands for any run of characters, `?` for one and
/// `\` takes the next character as it is; `output: PATTERN` for the names of the values that layers produce; or `rest`
/// for all layers that no line selects. Indentation is free, and `#` begins a line of comment.
public struct PlacementFile: Sendable, Hashable, CustomStringConvertible {
    /// Where the text came from, for messages.
    public let path: String?
    package let rules: PlacementRules

    /// Reads text.
    ///
    /// - Throws: `ModelError` with code `invalidFile` that names the line.
    public init(_ text: String) throws {
        self.init(path: nil, rules: try PlacementRules(text))
    }

    /// Loads a file of at most 16 MiB.
    ///
    /// - Throws: `ModelError` with code `invalidFile` that names the file and the line.
    public static func load(_ path: String) throws -> PlacementFile {
        do throws(ModelError) {
            let file = try MappedFile.map(path: path)
            let content = withExtendedLifetime(file) {
                file.bytes.count <= 16 << 20 ? String(validating: file.bytes, as: UTF8.self) : nil
            }
            guard let text = content else {
                throw ModelError(.invalidFile, "a placement is UTF-8 text of at most 16 MiB")
            }
            return PlacementFile(path: path, rules: try PlacementRules(text))
        } catch {
            throw error.at(file: path)
        }
    }

    package init(path: String?, rules: PlacementRules) {
        self.path = path
        self.rules = rules
    }

    /// The path, or a word for text that was in no file.
    var place: String { path ?? "the placement" }

    /// The text that `init(_:)` reads.
    public var description: String { rules.description }
}
