import Apus
import ApusBackends
import ApusDevice
import ApusOpenCL
import ApusTensor
import ArgumentParser
import Dispatch
import Foundation
import Synchronization

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures latency and throughput; inputs that are not given come from a fixed seed."
    )

    @OptionGroup var shared: SharedOptions

    @OptionGroup var limit: TimeoutOption

    @OptionGroup var trace: TraceOption

    @Option(help: "Exactly so many runs; otherwise as many as the duration takes, at least 10.")
    var iterations: Int?

    @Option(help: "Runs before measuring.")
    var warmup = 3

    @Option(help: "Seconds to measure.")
    var duration = 3.0

    @Option(help: "Requests in flight at once.")
    var streams = 1

    @Flag(help: "Show the time of every layer, from device events of ten further runs, and the device's roof.")
    var profileLayers = false

    func validate() throws {
        guard iterations.map({ $0 > 0 }) ?? true, warmup >= 0, (1...1024).contains(streams),
            duration > 0, duration <= 1e9
        else {
            throw ValidationError(
                "--iterations and --duration must be positive, --warmup not negative, --streams within 1 ... 1024"
            )
        }
    }

    private struct Latency: Encodable {
        var min: Double
        var mean: Double
        var median: Double
        var p90: Double
        var p95: Double
        var p99: Double
        var max: Double

        init(_ samples: [Double]) {
            let sorted = samples.sorted()
            func percentile(_ fraction: Double) -> Double {
                sorted[Swift.min(sorted.count - 1, Int((Double(sorted.count) * fraction).rounded(.down)))]
            }
            min = sorted[0]
            mean = sorted.reduce(0, +) / Double(sorted.count)
            median = percentile(0.5)
            p90 = percentile(0.9)
            p95 = percentile(0.95)
            p99 = percentile(0.99)
            max = sorted[sorted.count - 1]
        }
    }

    private struct DeviceMemory: Encodable {
        var device: String
        var peak_bytes: Int
    }

    private struct Report: Encodable {
        struct Cache: Encodable {
            var hits: Int
            var misses: Int
        }
        var model: String
        var device: String
        var precision: String
        var load_ms: Double
        var first_run_ms: Double
        var latency_ms: Latency
        var throughput_per_s: Double
        var iterations: Int
        var streams: Int
        var peak_rss_bytes: Int
        var device_peak_bytes: Int
        var devices: [DeviceMemory]
        var cache: Cache
        var layers: [LayerReport]?
        var roof: DeviceRoof?
    }

    func run() throws {
        let started = ContinuousClock.now
        let deadline = limit.deadline
        progress("loading \(shared.model)")
        let model = try shared.loadModel()
        let values = try seededInputs(
            model,
            shapes: try shared.binding.givenShapes(),
            given: try shared.givenInputs(model)
        )
        let session = try Session(model, options: try shared.sessionOptions())
        let loaded = ContinuousClock.now
        progress("first run on \(session.deviceName)")
        _ = try session.runBlocking(values, deadline: deadline)
        let firstRun = ContinuousClock.now
        for _ in 0..<warmup { _ = try session.runBlocking(values, deadline: deadline) }
        progress("measuring")
        let (samples, seconds) = try measure(session, values, deadline)
        let cache = ProgramCache.shared.statistics
        let devices = session.executor.openCLDevices.map {
            DeviceMemory(device: "opencl:\($0.index) \($0.info.name)", peak_bytes: $0.memoryStatistics.peakBytes)
        }
        var report = Report(
            model: shared.model,
            device: session.deviceName,
            precision: shared.binding.precision,
            load_ms: milliseconds(loaded - started),
            first_run_ms: milliseconds(firstRun - loaded),
            latency_ms: Latency(samples),
            throughput_per_s: Double(samples.count) / seconds,
            iterations: samples.count,
            streams: streams,
            peak_rss_bytes: peakResidentBytes(),
            device_peak_bytes: devices.reduce(0) { $0 + $1.peak_bytes },
            devices: devices,
            cache: Report.Cache(hits: cache.hits, misses: cache.misses),
            layers: nil
        )
        let profile = RunProfile()
        let profiledRuns = 10
        let openCLDevices = session.executor.openCLDevices
        let roof = profileLayers && openCLDevices.count == 1 ? try openCLDevices[0].measureRoof() : nil
        report.roof = roof
        if profileLayers {
            _ = try session.run(values, RunOptions(deadline: deadline, profile: profile))
            profile.removeAll()
            for _ in 0..<profiledRuns { _ = try session.run(values, RunOptions(deadline: deadline, profile: profile)) }
            report.layers = layerReports(profile.entries, runs: profiledRuns, roof: roof)
        }
        if let file = trace.profile {
            let profile = RunProfile()
            let streamCount = streams
            func profiledRuns(_ count: Int) throws {
                try inParallel(streamCount) { stream in
                    for _ in stride(from: stream, to: count, by: streamCount) {
                        _ = try session.run(values, RunOptions(deadline: deadline, profile: profile))
                    }
                }
            }
            try profiledRuns(streamCount)
            profile.removeAll()
            try profiledRuns(max(10, 2 * streamCount))
            try writeJSON(Trace(profile.entries), to: file)
        }
        if let json = shared.json { try writeJSON(report, to: json) }
        if shared.json == "-" { return }
        print("device       \(report.device)")
        print(
            "load         \(formatted(report.load_ms)) ms, first run \(formatted(report.first_run_ms)) ms, "
                + "\(report.cache.hits) programs from the cache, \(report.cache.misses) built"
        )
        let latency = report.latency_ms
        print(
            "latency      median \(formatted(latency.median)) ms, min \(formatted(latency.min)), "
                + "mean \(formatted(latency.mean)), p90 \(formatted(latency.p90)), p99 \(formatted(latency.p99)), "
                + "max \(formatted(latency.max)) (\(report.iterations) runs)"
        )
        print("throughput   \(formatted(report.throughput_per_s)) runs a second with \(streams) in flight")
        print(
            "memory       \(report.peak_rss_bytes >> 20) MiB resident at most, "
                + "\(report.device_peak_bytes >> 20) MiB of device buffers at most"
        )
        if devices.count > 1 {
            for device in devices { print("             \(device.peak_bytes >> 20) MiB on \(device.device)") }
        }
        if profileLayers {
            print("")
            printLayers(profile.entries, runs: profiledRuns, roof: roof)
        }
    }

    private func measure(
        _ session: Session,
        _ values: [String: RuntimeValue],
        _ deadline: ContinuousClock.Instant?
    ) throws -> (milliseconds: [Double], seconds: Double) {
        let samples = Mutex<[Double]>([])
        let remaining = Atomic<Int>(iterations ?? Int.max)
        let started = ContinuousClock.now
        let end = started + .seconds(duration)
        let limited = iterations != nil
        try inParallel(streams) { _ in
            var own: [Double] = []
            defer {
                let done = own
                samples.withLock { $0 += done }
            }
            while remaining.subtract(1, ordering: .relaxed).oldValue > 0 {
                if !limited, ContinuousClock.now >= end, own.count >= 10 { break }
                let begin = ContinuousClock.now
                _ = try session.runBlocking(values, deadline: deadline)
                own.append(milliseconds(.now - begin))
            }
        }
        let seconds = milliseconds(.now - started) / 1e3
        return (samples.withLock { $0 }, seconds)
    }

    /// Calls a closure once on each of several threads and waits for all.
    ///
    /// - Throws: what one of the calls throws.
    private func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
        let failure = Mutex<(any Error)?>(nil)
        let ended = DispatchGroup()
        for index in 0..<count {
            ended.enter()
            // Threads of their own: those of a pool are no more than there are cores.
            Thread.detachNewThread {
                do {
                    try body(index)
                } catch {
                    failure.withLock { $0 = error }
                }
                ended.leave()
            }
        }
        ended.wait()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
