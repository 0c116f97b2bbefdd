import ApusONNXProto
import ApusTensor
import CLinuxFile
import Glibc

/// The files beside a model that hold tensor data.
///
/// A file is opened below the model's directory without following any symbolic link, must be a regular file with
/// one name, and is mapped once.
/// - Source: ONNX, Security of External Data.
final class ExternalData {
    private let directoryPath: String
    private var directory: Int32 = -1
    private var files: [String: TensorStorage] = [:]

    /// - Parameter modelPath: the path of the model file.
    init(modelPath: String) {
        let parts = modelPath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        let parent = parts.joined(separator: "/")
        directoryPath = parent.isEmpty ? (modelPath.hasPrefix("/") ? "/" : ".") : parent
    }

    deinit {
        if directory >= 0 { close(directory) }
    }

    /// The data of a tensor whose `data_location` is external.
    ///
    /// - Throws: `ModelError` if the entries are malformed, the file is refused or the range leaves it.
    func tensor(_ type: TensorType, _ entries: [Onnx_StringStringEntryProto]) throws(ModelError) -> Tensor {
        var values: [String: String] = [:]
        for entry in entries {
            guard ["location", "offset", "length", "checksum", "basepath"].contains(entry.key) else {
                throw ModelError(.invalidModel, "external data has the unknown key \(quoted(entry.key))")
            }
            guard values.updateValue(entry.value, forKey: entry.key) == nil else {
                throw ModelError(.invalidModel, "external data has the key \(quoted(entry.key)) twice")
            }
        }
        guard let location = values["location"], !location.isEmpty else {
            throw ModelError(.invalidModel, "external data has no location")
        }
        let offset = try values["offset"].map { text throws(ModelError) in try count(text, "offset") } ?? 0
        let length = try values["length"].map { text throws(ModelError) in try count(text, "length") } ?? type.byteCount
        guard length == type.byteCount else {
            throw ModelError(.invalidModel, "\(type) takes \(type.byteCount) bytes, its external data has \(length)")
        }
        let file = try storage(location)
        guard length <= file.bytes.count, offset <= file.bytes.count - length else {
            throw ModelError(
                .invalidModel,
                "\(length) bytes at offset \(offset) leave the \(file.bytes.count) bytes of \(quoted(location))"
            )
        }
        return try Tensor(type: type, storage: file, byteOffset: offset)
    }

    private func count(_ text: String, _ key: String) throws(ModelError) -> Int {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text) else {
            throw ModelError(.invalidModel, "the \(key) of external data is \(quoted(text)), not a count of bytes")
        }
        return value
    }

    private func storage(_ location: String) throws(ModelError) -> TensorStorage {
        if let file = files[location] { return file }
        let parts = location.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard !location.utf8.contains(0), !location.hasPrefix("/"),
            !parts.contains(where: { $0.elementsEqual("..".utf8) })
        else {
            throw ModelError(.invalidModel, "the external file \(quoted(location)) does not lie beside the model")
        }
        if directory < 0 {
            directory = open(directoryPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard directory >= 0 else { throw MappedFile.failure("cannot open the model's directory") }
        }
        let descriptor = linux_open_beneath(directory, location)
        guard descriptor >= 0 else { throw MappedFile.failure("cannot open the external file \(quoted(location))") }
        defer { close(descriptor) }
        do {
            let file = try MappedFile.map(descriptor, links: 1...1)
            files[location] = file
            return file
        } catch {
            throw ModelError(error.code, "the external file \(quoted(location)): \(error.message)")
        }
    }
}

/// A name of the model in quotation marks, cut where it is very long.
func quoted(_ name: String) -> String {
    let start = name.unicodeScalars.prefix(200)
    return start.endIndex == name.endIndex ? "\"\(name)\"" : "\"\(String(String.UnicodeScalarView(start)))...\""
}
