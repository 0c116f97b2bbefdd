import ApusTensor
import Dispatch
import Foundation
import Synchronization

/// Worker processes that share the cases of a suite; one that crashes or hangs is replaced and its case blamed.
struct WorkerPool {
    /// What follows `apus certify --worker` on the command line of a worker.
    var arguments: [String]
    var jobs: Int
    /// The longest that a case may take, in seconds.
    var timeout: Double

    /// Why a worker gave no answer.
    enum Failure {
        /// How the process ended.
        case crashed(String)
        case timedOut(String)
    }

    private struct Shared<Answer> {
        var next = 0
        var answers: [(index: Int, answer: Answer)] = []
        var failure: ModelError?
    }

    /// Hands every case to a worker as one line of text; the worker answers with one line of JSON.
    ///
    /// - Parameters:
    ///   - blame: the answer for a case whose worker gave none.
    ///   - progress: called with the number of cases that are done, from any thread, one call at a time.
    /// - Returns: the answers in the order of the cases.
    /// - Throws: `ModelError` if a worker cannot be started.
    func run<Answer: Decodable & Sendable>(
        _ cases: [String],
        blame: @Sendable (String, Failure) -> Answer,
        progress: @Sendable (Int) -> Void
    ) throws(ModelError) -> [Answer] {
        // Writing to a worker that has died must not end this process.
        signal(SIGPIPE, SIG_IGN)
        let shared = Mutex(Shared<Answer>())
        DispatchQueue.concurrentPerform(iterations: min(jobs, cases.count)) { _ in
            var worker: WorkerProcess?
            while true {
                let index = shared.withLock { shared -> Int? in
                    guard shared.failure == nil, cases.indices.contains(shared.next) else { return nil }
                    shared.next += 1
                    return shared.next - 1
                }
                guard let index else { break }
                do throws(ModelError) {
                    let current = if let worker { worker } else { try WorkerProcess(arguments) }
                    let answer: Answer
                    switch current.ask(cases[index], Answer.self, timeout: timeout) {
                    case .success(let found):
                        answer = found
                        worker = current
                    case .failure(let failure):
                        answer = blame(cases[index], failure)
                        worker = nil
                    }
                    shared.withLock { shared in
                        shared.answers.append((index, answer))
                        progress(shared.answers.count)
                    }
                } catch {
                    shared.withLock { $0.failure = error }
                }
            }
            worker?.stop()
        }
        return try shared.withLock { shared throws(ModelError) in
            if let failure = shared.failure { throw failure }
            return shared.answers.sorted { $0.index < $1.index }.map(\.answer)
        }
    }
}

extension WorkerPool.Failure: Error {}

/// Answers the cases that arrive on standard input, one a line, with one line of JSON each.
///
/// Drivers that print do so to standard error. The process ends with the one that asks, also amid a case.
func serveCases(_ answer: (String) -> some Encodable) {
    endWithInput()
    let answers = FileHandle(fileDescriptor: dup(STDOUT_FILENO))
    dup2(STDERR_FILENO, STDOUT_FILENO)
    while let line = readLine() {
        guard var text = try? JSONEncoder().encode(answer(line)) else { return }
        text.append(UInt8(ascii: "\n"))
        answers.write(text)
    }
}

/// Ends this process once nobody holds the other end of standard input: a case may take long, or hang in a driver.
private func endWithInput() {
    Thread.detachNewThread {
        var input = pollfd(fd: STDIN_FILENO, events: 0, revents: 0)
        while poll(&input, 1, -1) <= 0 || input.revents & Int16(POLLHUP | POLLERR) == 0 {}
        _exit(0)
    }
}

/// One `apus certify --worker` process.
private final class WorkerProcess {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var pending = Data()

    init(_ arguments: [String]) throws(ModelError) {
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["certify", "--worker"] + arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw ModelError(.invalidInput, "a worker process cannot be started: \(error)")
        }
    }

    func ask<Answer: Decodable>(
        _ line: String,
        _: Answer.Type,
        timeout: Double
    ) -> Result<Answer, WorkerPool.Failure> {
        let timedOut = Mutex(false)
        let process = process
        let alarm = DispatchWorkItem {
            timedOut.withLock { $0 = true }
            kill(process.processIdentifier, SIGKILL)
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + timeout, execute: alarm)
        defer { alarm.cancel() }
        if (try? input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))) != nil,
            let text = readAnswer(), let answer = try? JSONDecoder().decode(Answer.self, from: text)
        {
            return .success(answer)
        }
        // A process that answers with anything else must not live on either.
        kill(process.processIdentifier, SIGTERM)
        process.waitUntilExit()
        if timedOut.withLock({ $0 }) { return .failure(.timedOut("no answer within \(timeout) s")) }
        let cause = process.terminationReason == .uncaughtSignal ? "signal" : "exit status"
        return .failure(.crashed("\(cause) \(process.terminationStatus)"))
    }

    /// Ends the process, which stops at the end of its input.
    func stop() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// The next line of the answers; `nil` at their end.
    private func readAnswer() -> Data? {
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
