import FoundationEssentials
import Glibc
import Testing

/// A directory that is removed with its files when it goes out of use.
final class TemporaryDirectory {
    let root: String

    init() throws {
        var template = Array("/tmp/apus-onnx-XXXXXX".utf8CString)
        root = try template.withUnsafeMutableBufferPointer { buffer in
            String(cString: try #require(buffer.baseAddress.flatMap { mkdtemp($0) }))
        }
    }

    func path(_ name: String) -> String { "\(root)/\(name)" }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let file = try #require(fopen(path(name), "w"))
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        fclose(file)
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }
}
