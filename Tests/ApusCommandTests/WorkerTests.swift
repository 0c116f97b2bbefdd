import Foundation
import Testing

@Suite struct WorkerTests {
    /// The fields of `/proc/PID/stat` after the name: the state and the parent's number come first.
    private func status(_ process: String) -> (state: Substring, parent: Int32)? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 1, let parent = Int32(fields[1]) else { return nil }
        return (fields[0], parent)
    }

    private func children(of parent: Int32) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc")
            .filter { Int32($0) != nil && status($0)?.parent == parent }
    }

    private func waits(upTo seconds: Double, _ condition: () throws -> Bool) throws -> Bool {
        let end = Date().addingTimeInterval(seconds)
        while try !condition() {
            if Date() > end { return false }
            usleep(20_000)
        }
        return true
    }

    /// A case that repeats for hours keeps a worker busy: it does not come to read the end of its input.
    @Test func workersEndWithTheirParent() throws {
        let process = Process()
        process.executableURL = URL(filePath: try Paths.apus())
        process.arguments = [
            "certify", "--device", "opencl:cpu", "--operator", "Erf", "--repetitions", "2000000000", "--jobs", "1",
            "--timeout", "100000",
        ]
        process.environment = ProcessInfo.processInfo.environment
            .merging(["APUS_CACHE_DIR": Paths.products + "/apus-test-cache"]) { _, new in new }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        let parent = process.processIdentifier
        defer { kill(parent, SIGKILL) }
        var workers: [String] = []
        /// The processor time of the worker grows while the case runs.
        func isBusy() throws -> Bool {
            workers = try children(of: parent)
            guard let worker = workers.first,
                let text = try? String(contentsOfFile: "/proc/\(worker)/stat", encoding: .utf8),
                let end = text.lastIndex(of: ")")
            else { return false }
            let fields = text[text.index(after: end)...].split(separator: " ")
            return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) > 100
        }
        #expect(try waits(upTo: 60, isBusy), "\(workers)")
        kill(parent, SIGKILL)
        process.waitUntilExit()
        let haveEnded = try waits(upTo: 20) { workers.allSatisfy { status($0).map { $0.state == "Z" } ?? true } }
        #expect(haveEnded, "\(workers)")
        for worker in workers { if let number = Int32(worker), !haveEnded { kill(number, SIGKILL) } }
    }
}
