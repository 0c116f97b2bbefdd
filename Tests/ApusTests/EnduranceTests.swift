import Apus
import ApusCompiler
import ApusGraph
import ApusOpenCL
import ApusTensor
import ApusVerification
import Foundation
import Synchronization
import Testing

@testable import ApusBackends
@testable import ApusONNX

/// Many requests, and many sessions one after another: answers stay right and no memory is kept. Each test has a process
/// of its own, as tests that run at the same time hold memory too.
@Suite struct EnduranceTests {
    private static let threads = 16

    @Test func tenThousandRequestsFromSixteenThreads() async throws {
        await #expect(processExitsWith: .success) {
            let device = try #require(OpenCLDevice.all.first)
            let requests = try Requests(count: 10_000)
            try requests.fillPool(of: device, contexts: Self.threads)
            for count in [1000, 10_000] {
                let deviceMemory = device.memoryStatistics
                let residentMemory = try residentBytes()
                let blocking = requests.onThreads(Self.threads, count: count)
                let asynchronous = await requests.inTasks(Self.threads, count: count)
                for outcome in [blocking, asynchronous] {
                    #expect(outcome.right == count)
                    #expect(outcome.faults.isEmpty, "\(outcome.faults.prefix(20))")
                }
                #expect(device.memoryStatistics.liveBytes == deviceMemory.liveBytes)
                #expect(device.memoryStatistics.liveBuffers == deviceMemory.liveBuffers)
                let growth = try residentBytes() - residentMemory
                // The first requests warm up; then 100 bytes kept by each of 20,000 requests would be too many.
                if count == 10_000 { #expect(growth < 2_000_000, "\(growth) bytes") }
            }
        }
    }

    @Test func loadsAndFailedLoadsLeaveNothingBehind() async throws {
        await #expect(processExitsWith: .success) {
            let device = try #require(OpenCLDevice.all.first)
            let loads = try Loads()
            var residentMemory = 0
            for round in 0..<50 {
                for (name, load) in loads.all {
                    try load()
                    let memory = device.memoryStatistics
                    #expect(memory.liveBytes == 0 && memory.liveBuffers == 0, "\(name), round \(round): \(memory)")
                }
                // The first rounds warm up.
                if round == 9 { residentMemory = try residentBytes() }
            }
            #expect(device.memoryStatistics.peakBytes > 0)
            let growth = try residentBytes() - residentMemory
            // 50 kB kept by each of 40 rounds would be too many.
            #expect(growth < 2_000_000, "\(growth) bytes")
        }
    }
}

/// Different images for one session of the demo network, with the answers that a single thread gets.
private struct Requests: Sendable {
    /// How many requests had the right answer, and what happened to the others.
    struct Outcome: Sendable {
        var right = 0
        var faults: [String] = []
    }

    private let session: Session
    private let images: [[Float]]
    private let answers: [[Float]]

    /// Images that are mixed from two held-out ones each; no two answers are equal, so that a swapped one is seen.
    init(count: Int) throws {
        let digits = try Digits()
        let pixels = try digits.images.array(of: Float.self)
        let sources = stride(from: 0, to: pixels.count, by: 64).map { Array(pixels[$0..<$0 + 64]) }
        images = (0..<count).map { index in
            let (turn, first) = index.quotientAndRemainder(dividingBy: sources.count)
            return zip(sources[first], sources[(first + 1 + turn) % sources.count]).map { 0.625 * $0 + 0.375 * $1 }
        }
        let session = try openCLSession(digits.model)
        answers = try images.map { try session.answer(Self.input($0)).array(of: Float.self) }
        self.session = session
        try #require(Set(images).count == count)
        try #require(Set(answers).count == count)

        let batch = try Tensor(shape: [500, 1, 8, 8], Array(images.prefix(500).joined()))
        let expected = try referenceSession(digits.model).answer(["image": .tensor(batch)])
        let found = try Tensor(shape: [500, 10], Array(answers.prefix(500).joined()))
        #expect(relativeError(found, expected) < 1e-5)
    }

    private static func input(_ image: [Float]) throws -> [String: RuntimeValue] {
        ["image": .tensor(try Tensor(shape: [1, 1, 8, 8], image))]
    }

    /// Makes the session hold as many execution contexts as it ever needs: later runs allocate nothing on the device.
    ///
    /// The runs are kept waiting until all of them have their context.
    func fillPool(of device: OpenCLDevice, contexts: Int) throws {
        let plan = try #require(try session.plan([TensorType(.float32, [1, 1, 8, 8])]))
        // One context is there already. Each has an arena, and a state for every sequence of launches.
        let sequences = LaunchSequence.minimumLength(on: device.info).map { minimumLength in
            LaunchSequence.sequences(
                of: plan,
                maximumBuffers: LinkedStages.maximumBuffers(device.info),
                minimumLength: minimumLength
            )
        }
        let full = device.memoryStatistics.liveBuffers + (contexts - 1) * (1 + (sequences?.count ?? 0))
        let ended = DispatchSemaphore(value: 0)
        RunGate.gate(of: device).excluding {
            Thread.detachNewThread {
                _ = onThreads(contexts, count: contexts)
                ended.signal()
            }
            let end = ContinuousClock.now + .seconds(60)
            while device.memoryStatistics.liveBuffers < full, ContinuousClock.now < end {
                Thread.sleep(forTimeInterval: 0.001)
            }
        }
        ended.wait()
        try #require(device.memoryStatistics.liveBuffers >= full)
    }

    /// The first requests, each once, by threads that wait for their answers.
    func onThreads(_ threads: Int, count: Int) -> Outcome {
        let outcome = Mutex(Outcome())
        let ended = DispatchGroup()
        for thread in 0..<threads {
            ended.enter()
            // `DispatchQueue.concurrentPerform` has no more threads than there are processors.
            Thread.detachNewThread {
                for index in stride(from: thread, to: count, by: threads) {
                    let result = Result { try session.runBlocking(Self.input(images[index])) }
                    outcome.withLock { judge(result, index, &$0) }
                }
                ended.leave()
            }
        }
        ended.wait()
        return outcome.withLock { $0 }
    }

    /// The first requests, each once, by tasks that await their answers.
    func inTasks(_ tasks: Int, count: Int) async -> Outcome {
        await withTaskGroup(of: Outcome.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    var outcome = Outcome()
                    for index in stride(from: task, to: count, by: tasks) {
                        let result: Result<[String: RuntimeValue], any Error>
                        do {
                            result = .success(try await session.run(Self.input(images[index])))
                        } catch {
                            result = .failure(error)
                        }
                        judge(result, index, &outcome)
                    }
                    return outcome
                }
            }
            var total = Outcome()
            for await outcome in group {
                total.right += outcome.right
                total.faults += outcome.faults
            }
            return total
        }
    }

    private func judge(_ result: Result<[String: RuntimeValue], any Error>, _ index: Int, _ outcome: inout Outcome) {
        do {
            let found = try #require(try result.get()["probabilities"]).tensor().array(of: Float.self)
            if found == answers[index] {
                outcome.right += 1
            } else if let other = answers.firstIndex(of: found) {
                outcome.faults.append("request \(index) has the answer of \(other)")
            } else {
                outcome.faults.append("request \(index) has a wrong answer")
            }
        } catch {
            outcome.faults.append("request \(index): \(error)")
        }
    }
}

/// Sessions that are made, used and dropped, and loads that fail, by name.
private struct Loads {
    let all: [(name: String, load: () throws -> Void)]

    init() throws {
        let digits = try Digits()
        let input = try digits.input(3)
        func expectClasses(_ session: Session) throws {
            #expect(try classes(session.answer(input)) == digits.labels.prefix(3).map { Int($0) })
        }
        /// The demo network with a change, as the bytes of a file.
        func changed(_ type: String, _ change: (inout Graph, Int) throws -> Void) throws -> [UInt8] {
            var graph = digits.model.graph
            try change(&graph, try #require(graph.nodes.firstIndex { $0.operatorType == type }))
            return try ONNXExporter.bytes(of: graph)
        }
        func expectFailure(
            _ code: ModelError.Code,
            _ bytes: [UInt8],
            _ run: (Session) throws -> Void = { _ in }
        ) {
            let error = #expect(throws: ModelError.self) { try run(openCLSession(Model.load(bytes: bytes))) }
            #expect(error?.code == code, "\(String(describing: error))")
        }

        let file = try Array(Data(contentsOf: URL(filePath: Networks.path("digits"))))
        let missing = try changed("Softmax") { graph, node in graph.nodes[node].operatorType = "Softmix" }
        let misshapen = try changed("Gemm") { graph, node in graph.nodes[node].attributes["transB"] = .int(0) }
        // The weights are on the device when the arena of 4 TiB and more is refused.
        let huge = try changed("Conv") { graph, node in
            let repeats = try Tensor(shape: [4], [Int64(1) << 34, 1, 1, 1])
            let constant = graph.addConstant("repeats", .tensor(repeats))
            let tile = graph.addNode("Tile", name: "tile", inputs: [graph.inputs[0], constant], outputNames: ["tiled"])
            graph.nodes.insert(graph.nodes.removeLast(), at: 0)
            graph.nodes[node + 1].inputs[0] = tile[0]
        }
        all = [
            ("digits", { try expectClasses(openCLSession(digits.model)) }),
            (
                "digits-int8",
                { try expectClasses(openCLSession(Model.load(Networks.folder + "/digits/digits-int8.onnx"))) }
            ),
            (
                "several shapes",
                {
                    let session = try openCLSession(digits.model)
                    for count in [1, 9, 4] { _ = try session.answer(digits.input(count)) }
                }
            ),
            ("half a file", { expectFailure(.invalidFile, Array(file.prefix(file.count / 2))) }),
            ("a missing operator", { expectFailure(.unsupported, missing) }),
            ("a shape that does not fit", { expectFailure(.invalidModel, misshapen) { _ = try $0.answer(input) } }),
            (
                "a tensor above the limit",
                {
                    let options = Session.Options(device: .openCL(0), maximumBytes: 100_000)
                    let session = try Session(digits.model, options: options)
                    try expectClasses(session)
                    let error = #expect(throws: ModelError.self) { try session.answer(digits.input(300)) }
                    #expect(error?.code == .limitExceeded)
                }
            ),
            (
                "a buffer that the device refuses",
                {
                    let options = Session.Options(device: .openCL(0), maximumBytes: .max)
                    let session = try Session(Model.load(bytes: huge), options: options)
                    let error = #expect(throws: BackendError.self) { try session.answer(digits.input(1)) }
                    #expect(error?.code == .outOfMemory, "\(String(describing: error))")
                }
            ),
        ]
    }
}

/// The memory that the process holds now, in bytes.
private func residentBytes() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    try #require(fields.count > 1)
    return try #require(Int(fields[1])) * Int(sysconf(Int32(_SC_PAGESIZE)))
}
