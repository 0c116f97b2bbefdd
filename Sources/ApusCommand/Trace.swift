import ApusBackends
import ArgumentParser

/// The option of commands that can write a trace.
struct TraceOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Write a trace of host steps, transfers and kernels that Perfetto (ui.perfetto.dev) opens.",
            valueName: "file"
        )
    )
    var profile: String?
}

/// A trace in Chrome's format: what ran when, a process for the host and each device, a track for each thread and queue.
///
/// - Source: "Trace Event Format", complete events (`X`) and metadata (`M`); times are microseconds.
struct Trace: Encodable {
    struct Event: Encodable {
        struct Arguments: Encodable {
            var name: String?
            var operatorType: String?
            var bytes: Int?
            var gigaflop: Double?
            var gigaflopsPerSecond: Double?
            var gigabytesPerSecond: Double?

            enum CodingKeys: String, CodingKey {
                case name, bytes
                case operatorType = "operator"
                case gigaflop = "GFLOP"
                case gigaflopsPerSecond = "GFLOP/s"
                case gigabytesPerSecond = "GB/s"
            }
        }

        var name: String
        var cat: String
        var ph: String
        var ts: Double
        var dur: Double?
        var pid: Int
        var tid: Int
        var args: Arguments?
    }

    var displayTimeUnit = "ms"
    var traceEvents: [Event] = []

    /// Arranges entries of one profile; the first one begins at time 0.
    init(_ entries: [RunProfile.Entry]) {
        let start = entries.map(\.started).min() ?? 0
        var processes: [String: Int] = [:]
        var threadCounts: [Int: Int] = [:]
        let tracks = Dictionary(grouping: entries) { $0.track }
        let ordered = tracks.sorted { Self.order($0.key) < Self.order($1.key) }
        for (track, entries) in ordered {
            let process: String
            switch track {
            case .host: process = "host"
            case .device(let name, _): process = name
            }
            let isNew = processes[process] == nil
            let pid = processes[process] ?? processes.count + 1
            processes[process] = pid
            let tid = threadCounts[pid, default: 0] + 1
            threadCounts[pid] = tid
            func name(_ kind: String, _ text: String) {
                traceEvents.append(
                    Event(
                        name: kind,
                        cat: "__metadata",
                        ph: "M",
                        ts: 0,
                        pid: pid,
                        tid: tid,
                        args: Event.Arguments(name: text)
                    )
                )
            }
            if isNew { name("process_name", process) }
            name("thread_name", "\(process == "host" ? "thread" : "queue") \(tid)")
            let sorted = entries.sorted { ($0.started, $1.ended) < ($1.started, $0.ended) }
            if case .device = track {
                append(layers: sorted, from: start, pid, tid)
            } else {
                for entry in sorted { append(entry, entry.started..<max(entry.started, entry.ended), start, pid, tid) }
            }
        }
    }

    private static func order(_ track: RunProfile.Track) -> (Int, String, UInt) {
        switch track {
        case .host(let thread): (0, "", thread)
        case .device(let name, let queue): (1, name, UInt(bitPattern: queue))
        }
    }

    /// The commands of a queue, those of one layer under an event of that layer.
    private mutating func append(layers entries: [RunProfile.Entry], from start: UInt64, _ pid: Int, _ tid: Int) {
        var index = 0
        var free = start
        while index < entries.count {
            let first = entries[index]
            var end = index + 1
            while first.kind == .kernel, end < entries.count, entries[end].kind == .kernel,
                entries[end].node == first.node, entries[end].operatorType == first.operatorType
            {
                end += 1
            }
            // Queues are in order: what a driver's clock lets overlap by a rounding is moved behind its predecessor.
            var ranges: [Range<UInt64>] = []
            for entry in entries[index..<end] {
                let begin = max(entry.started, free)
                free = max(entry.ended, begin)
                ranges.append(begin..<free)
            }
            if first.kind == .kernel, let last = ranges.last {
                let whole = ranges[0].lowerBound..<last.upperBound
                var event = self.event(first, whole, start, pid, tid)
                event.name = first.node.isEmpty ? first.operatorType : first.node
                event.cat = "layer"
                traceEvents.append(event)
            }
            for (entry, range) in zip(entries[index..<end], ranges) { append(entry, range, start, pid, tid) }
            index = end
        }
    }

    private mutating func append(
        _ entry: RunProfile.Entry,
        _ range: Range<UInt64>,
        _ start: UInt64,
        _ pid: Int,
        _ tid: Int
    ) {
        var event = self.event(entry, range, start, pid, tid)
        if entry.kind == .kernel {
            // The work is that of the layer, which may have several kernels.
            event.args = Event.Arguments(name: entry.node, operatorType: entry.operatorType)
        }
        traceEvents.append(event)
    }

    private func name(_ entry: RunProfile.Entry) -> String {
        switch entry.kind {
        case .upload, .download, .transfer: "\(entry.operatorType) \(entry.name)"
        case .host: entry.node.isEmpty ? entry.operatorType : entry.node
        default: entry.name
        }
    }

    private func event(
        _ entry: RunProfile.Entry,
        _ range: Range<UInt64>,
        _ start: UInt64,
        _ pid: Int,
        _ tid: Int
    ) -> Event {
        let nanoseconds = Double(range.count)
        var arguments = Event.Arguments()
        if !entry.node.isEmpty { arguments.name = entry.node }
        if !entry.operatorType.isEmpty { arguments.operatorType = entry.operatorType }
        if entry.bytes > 0 {
            arguments.bytes = entry.bytes
            if nanoseconds > 0 { arguments.gigabytesPerSecond = Double(entry.bytes) / nanoseconds }
        }
        if entry.operations > 0 {
            arguments.gigaflop = Double(entry.operations) * 1e-9
            if nanoseconds > 0 { arguments.gigaflopsPerSecond = Double(entry.operations) / nanoseconds }
        }
        return Event(
            name: name(entry),
            cat: entry.kind.rawValue,
            ph: "X",
            ts: Double(range.lowerBound - start) / 1e3,
            dur: nanoseconds / 1e3,
            pid: pid,
            tid: tid,
            args: arguments
        )
    }
}
