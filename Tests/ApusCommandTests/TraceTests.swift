import Foundation
import Testing

/// The trace that `--profile` writes: it parses, its events nest, and they lie within the run.
@Suite(.serialized) struct TraceTests {
    private struct Event {
        var name: String
        var category: String
        var begin: Double
        var end: Double
        var track: [Int]
        var arguments: [String: Any]
    }

    /// The complete events and the names of processes and threads.
    private func read(_ path: String) throws -> (events: [Event], names: [String]) {
        let data = try Data(contentsOf: URL(filePath: path))
        let json = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        var events: [Event] = []
        var names: [String] = []
        for event in try #require(json["traceEvents"] as? [[String: Any]]) {
            let track = [try #require(event["pid"] as? Int), try #require(event["tid"] as? Int)]
            let arguments = event["args"] as? [String: Any] ?? [:]
            if event["ph"] as? String == "M" {
                names.append(try #require(arguments["name"] as? String))
                continue
            }
            #expect(event["ph"] as? String == "X")
            let begin = try #require(event["ts"] as? Double)
            events.append(
                Event(
                    name: try #require(event["name"] as? String),
                    category: try #require(event["cat"] as? String),
                    begin: begin,
                    end: begin + (try #require(event["dur"] as? Double)),
                    track: track,
                    arguments: arguments
                )
            )
        }
        return (events, names)
    }

    private let slack = 0.002

    private func expectNested(_ events: [Event]) {
        for (track, events) in Dictionary(grouping: events, by: \.track) {
            var open: [Event] = []
            for event in events.sorted(by: { ($0.begin, $1.end) < ($1.begin, $0.end) }) {
                while let last = open.last, last.end <= event.begin + slack { open.removeLast() }
                if let last = open.last {
                    #expect(event.end <= last.end + slack, "\(event) crosses the end of \(last) on \(track)")
                }
                open.append(event)
            }
        }
    }

    private func expectWithinRuns(_ events: [Event]) throws {
        let runs = events.filter { $0.category == "run" }
        let begin = try #require(runs.map(\.begin).min())
        let end = try #require(runs.map(\.end).max())
        #expect(begin < 0.001)
        for event in events {
            #expect(event.begin <= event.end && event.begin >= begin - slack && event.end <= end + slack, "\(event)")
        }
    }

    @Test func oneRunOnADevice() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/trace.json"
        let result = try apus(
            ["run", Paths.digits, "--image", Paths.picture, "--device", "opencl:0", "--profile", path]
        )
        #expect(result.status == 0 && !result.output.contains("layer"), "\(result)")
        let (events, names) = try read(path)
        #expect(names.contains("host") && names.contains { $0.hasPrefix("opencl:0 ") }, "\(names)")
        expectNested(events)
        try expectWithinRuns(events)
        #expect(events.count { $0.category == "run" } == 1)
        for category in ["kernel", "layer", "transfer", "upload", "download", "enqueue", "wait"] {
            #expect(events.contains { $0.category == category }, "\(category)")
        }
        #expect(Set(events.map(\.track)).count == 2)
        let layers = events.filter { $0.category == "layer" && $0.arguments["operator"] as? String == "Conv" }
        let layer = try #require(layers.first)
        #expect((layer.arguments["bytes"] as? Int ?? 0) > 0 && (layer.arguments["GFLOP"] as? Double ?? 0) > 0)
        let kernels = events.filter {
            $0.category == "kernel" && $0.begin >= layer.begin && $0.end <= layer.end + slack
        }
        #expect(kernels.contains { $0.name.contains("conv") || $0.name.contains("depthwise") }, "\(kernels)")
        let upload = try #require(events.first { $0.category == "upload" })
        let transfer = try #require(events.first { $0.category == "transfer" && $0.name == upload.name })
        #expect(upload.arguments["bytes"] as? Int == 256)
        #expect(transfer.track != upload.track)
        // The device's clock is not the host's: only when mapped does the transfer lie where the host waited for it.
        #expect(transfer.begin >= upload.begin - 50 && transfer.end <= upload.end + 50, "\(transfer) \(upload)")
    }

    @Test func stagesOfSeveralRequestsOverlap() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/trace.json"
        let result = try apus(
            [
                "bench", Paths.digits, "--device", "opencl:0,opencl:1", "--placement", "even", "--streams", "2",
                "--iterations", "4", "--profile", path,
            ],
            environment: ["POCL_DEVICES": "basic basic"]
        )
        #expect(result.status == 0, "\(result)")
        let (events, names) = try read(path)
        for device in ["opencl:0 ", "opencl:1 "] { #expect(names.contains { $0.hasPrefix(device) }, "\(names)") }
        expectNested(events)
        try expectWithinRuns(events)
        #expect(events.count { $0.category == "run" } == 10)
        for stage in ["stage part1", "stage part2"] { #expect(events.count { $0.name == stage } == 10) }
    }

    @Test func theReferenceHasATrackOfItsNodes() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/trace.json"
        let result = try apus(
            ["run", Paths.digits, "--image", Paths.picture, "--device", "reference", "--profile", path]
        )
        #expect(result.status == 0, "\(result)")
        let (events, _) = try read(path)
        expectNested(events)
        try expectWithinRuns(events)
        #expect(events.count { $0.category == "host" } == 21)
    }

    @Test func aFileThatCannotBeWrittenIsNamed() throws {
        try expectFailure(
            ["run", Paths.digits, "--image", Paths.picture, "--profile", "/no/such/folder/trace.json"],
            status: 1,
            ["/no/such/folder/trace.json"]
        )
    }
}
