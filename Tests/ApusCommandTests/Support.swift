import ApusTensor
import Dispatch
import Foundation
import Testing

/// The repository's networks and the built command.
enum Paths {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path
    static let digits = root + "/Models/digits/digits.onnx"
    static let picture = root + "/Models/digits/pictures/03-digit-3.png"

    /// The folder of the test bundle, in which `apus` is built too.
    static let products = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        .deletingLastPathComponent().path

    /// The executable: beside the test bundle, else in the build folder of the repository.
    static func apus() throws -> String {
        let candidates = [products + "/apus", root + "/.build/release/apus", root + "/.build-test/release/apus"]
        return try #require(
            candidates.first { FileManager.default.isExecutableFile(atPath: $0) },
            "apus is in none of \(candidates)"
        )
    }
}

/// What a process left behind.
struct ProcessResult: CustomStringConvertible {
    var status: Int32
    var output: String
    var error: String
    var timedOut = false

    var description: String { "exit status \(status)\(timedOut ? " (timed out)" : "")\n\(output)\n\(error)" }

    /// Standard output as a JSON object.
    func json() throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any], "\(self)")
    }
}

/// A folder of its own for one test.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    var files: [String] { ((try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []).sorted() }

    func write(_ bytes: some Sequence<UInt8>, _ name: String) throws -> String {
        try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
        return "\(path)/\(name)"
    }

    func write(_ tensor: Tensor, _ name: String) throws -> String { try write(Npy.encode(tensor), name) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Runs the command, killed after the timeout.
///
/// - Parameter environment: entries beyond those of this process; programs are kept beside the test bundle.
func apus(
    _ arguments: [String],
    environment: [String: String] = [:],
    timeout seconds: Double = 120
) throws -> ProcessResult {
    let folder = try TemporaryFolder()
    let files = [folder.path + "/out", folder.path + "/err"]
    let handles = try files.map { path in
        try #require(FileManager.default.createFile(atPath: path, contents: nil))
        return try #require(FileHandle(forWritingAtPath: path))
    }
    let process = Process()
    process.executableURL = URL(filePath: try Paths.apus())
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
        .merging(["APUS_CACHE_DIR": Paths.products + "/apus-test-cache"]) { _, new in new }
        .merging(environment) { _, new in new }
    process.currentDirectoryURL = URL(filePath: Paths.root)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = handles[0]
    process.standardError = handles[1]
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    var timedOut = false
    if ended.wait(timeout: .now() + seconds) == .timedOut {
        timedOut = true
        kill(process.processIdentifier, SIGKILL)
        ended.wait()
    }
    let texts = try files.map { String(decoding: try Data(contentsOf: URL(filePath: $0)), as: UTF8.self) }
    let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    return ProcessResult(status: status, output: texts[0], error: texts[1], timedOut: timedOut)
}

/// Runs the command and expects an exit status and words on standard error, in one line unless it is about usage.
func expectFailure(
    _ arguments: [String],
    status: Int32,
    _ words: [String],
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let result = try apus(arguments)
    #expect(result.status == status, "\(arguments) \(result)", sourceLocation: sourceLocation)
    for word in words {
        #expect(result.error.contains(word), "\(arguments) \(result)", sourceLocation: sourceLocation)
    }
    if status != 64 {
        let lines = result.error.split(separator: "\n", omittingEmptySubsequences: false).count - 1
        #expect(lines == 1, "\(arguments) \(result)", sourceLocation: sourceLocation)
        #expect(result.error.hasPrefix("apus: "), "\(result.error)", sourceLocation: sourceLocation)
    }
}
