import ApusTensor
import ApusVerification
import Dispatch
import Foundation
import Synchronization

/// Worker processes that share the cases of a suite; one that crashes or hangs is replaced and its case blamed.
struct ConformancePool {
    var device: String
    var jobs: Int
    /// The longest that a case may take, in seconds.
    var timeout: Double

    private struct Shared {
        var next = 0
        var outcomes: [ConformanceOutcome] = []
        var failure: ModelError?
    }

    /// Runs all cases.
    ///
    /// - Parameter progress: called with the number of cases that are done, from any thread, one call at a time.
    /// - Returns: the outcomes by name.
    /// - Throws: `ModelError` if a worker cannot be started.
    func run(_ cases: [String], progress: @Sendable (Int) -> Void) throws(ModelError) -> [ConformanceOutcome] {
        let shared = Mutex(Shared())
        DispatchQueue.concurrentPerform(iterations: min(jobs, cases.count)) { _ in
            var worker: WorkerProcess?
            while true {
                let folder = shared.withLock { shared -> String? in
                    guard shared.failure == nil, cases.indices.contains(shared.next) else { return nil }
                    shared.next += 1
                    return cases[shared.next - 1]
                }
                guard let folder else { break }
                do throws(ModelError) {
                    let current = if let worker { worker } else { try WorkerProcess(device: device) }
                    let outcome = current.run(folder, timeout: timeout)
                    worker = outcome.status == .crashed || outcome.status == .timedOut ? nil : current
                    shared.withLock { shared in
                        shared.outcomes.append(outcome)
                        progress(shared.outcomes.count)
                    }
                } catch {
                    shared.withLock { $0.failure = error }
                }
            }
            worker?.stop()
        }
        return try shared.withLock { shared throws(ModelError) in
            if let failure = shared.failure { throw failure }
            return shared.outcomes.sorted { $0.name < $1.name }
        }
    }
}

/// One `apus certify --worker` process.
private final class WorkerProcess {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var pending = Data()

    init(device: String) throws(ModelError) {
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["certify", "--worker", "--device", device]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw ModelError(.invalidInput, "a worker process cannot be started: \(error)")
        }
    }

    func run(_ folder: String, timeout: Double) -> ConformanceOutcome {
        let name = (folder as NSString).lastPathComponent
        let timedOut = Mutex(false)
        let process = process
        let alarm = DispatchWorkItem {
            timedOut.withLock { $0 = true }
            kill(process.processIdentifier, SIGKILL)
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + timeout, execute: alarm)
        defer { alarm.cancel() }
        if (try? input.fileHandleForWriting.write(contentsOf: Data((folder + "\n").utf8))) != nil,
            let line = readLine(), let outcome = try? JSONDecoder().decode(ConformanceOutcome.self, from: line)
        {
            return outcome
        }
        process.waitUntilExit()
        if timedOut.withLock({ $0 }) {
            return ConformanceOutcome(name: name, status: .timedOut, reason: "no answer within \(timeout) s")
        }
        let cause = process.terminationReason == .uncaughtSignal ? "signal" : "exit status"
        return ConformanceOutcome(name: name, status: .crashed, reason: "\(cause) \(process.terminationStatus)")
    }

    /// Ends the process, which stops at the end of its input.
    func stop() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// The next line of the answers; `nil` at their end.
    private func readLine() -> Data? {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let line = pending[pending.startIndex..<end]
                pending = Data(pending[(end + 1)...])
                return Data(line)
            }
            let chunk = output.fileHandleForReading.availableData
            if chunk.isEmpty { return nil }
            pending.append(chunk)
        }
    }
}
