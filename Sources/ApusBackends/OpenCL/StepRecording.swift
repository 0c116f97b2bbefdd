import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOpenCL
import ApusOperators
import ApusTensor

/// The steps of one profiled run: host times as they pass, device times from events once all have ended.
struct StepRecording {
    /// A command with the host's times before and after it was handed over.
    private struct Command {
        var entry: RunProfile.Entry
        var event: Event
        var called: UInt64
        var returned: UInt64
    }

    private let plan: Plan
    private let track: RunProfile.Track
    private let began = RunProfile.now
    private var commands: [Command] = []
    private var hostEntries: [RunProfile.Entry] = []
    private var enqueued: (count: Int, started: UInt64, ended: UInt64)?

    init(_ plan: Plan, _ track: RunProfile.Track) {
        self.plan = plan
        self.track = track
    }

    mutating func launched(_ planned: PlannedLaunch, _ event: Event, called: UInt64) {
        let returned = RunProfile.now
        enqueued = ((enqueued?.count ?? 0) + 1, enqueued?.started ?? called, returned)
        let node = plan.nodes[planned.node]
        var entry = RunProfile.Entry(kind: .kernel, name: planned.launch.kernel, started: 0, ended: 0, track: track)
        entry.variant = planned.launch.program.variant
        entry.describe(node)
        commands.append(Command(entry: entry, event: event, called: called, returned: returned))
    }

    mutating func moved(_ kind: RunProfile.Kind, _ id: ValueID, _ event: Event?, called: UInt64) {
        endEnqueuing()
        let returned = RunProfile.now
        var entry = RunProfile.Entry(kind: kind, name: plan.graph[id].name, started: called, ended: returned)
        entry.operatorType = kind.rawValue
        entry.bytes = plan.types[id]?.byteCount ?? 0
        hostEntries.append(entry)
        guard let event else { return }
        entry.kind = .transfer
        entry.track = track
        commands.append(Command(entry: entry, event: event, called: called, returned: returned))
    }

    mutating func evaluated(_ node: PlannedNode, called: UInt64) {
        endEnqueuing()
        var entry = RunProfile.Entry(
            kind: .host,
            name: node.node.operatorType,
            started: called,
            ended: RunProfile.now
        )
        entry.describe(node)
        hostEntries.append(entry)
    }

    mutating func waited(called: UInt64) {
        endEnqueuing()
        hostEntries.append(
            RunProfile.Entry(kind: .wait, name: "wait for the queue", started: called, ended: RunProfile.now)
        )
    }

    private mutating func endEnqueuing() {
        guard let enqueued else { return }
        hostEntries.append(
            RunProfile.Entry(
                kind: .enqueue,
                name: "enqueue \(enqueued.count) kernels",
                started: enqueued.started,
                ended: enqueued.ended
            )
        )
        self.enqueued = nil
    }

    /// All entries, those of the device mapped to the host's clock.
    ///
    /// Each command was queued between two host times, which bounds how far the device's clock is behind the host's; all
    /// commands together bound it to some microseconds.
    /// - Throws: `BackendError` if an event has no times.
    func entries() throws(BackendError) -> [RunProfile.Entry] {
        var times: [EventTimes] = []
        for command in commands { times.append(try command.event.times()) }
        var (least, most) = (Int64.min, Int64.max)
        for (command, times) in zip(commands, times) {
            least = max(least, Int64(clamping: command.called) &- Int64(clamping: times.queued))
            most = min(most, Int64(clamping: command.returned) &- Int64(clamping: times.queued))
        }
        let offset = commands.isEmpty ? 0 : least / 2 + most / 2
        let now = RunProfile.now
        func onHost(_ time: UInt64) -> UInt64 {
            min(max(UInt64(clamping: Int64(clamping: time) &+ offset), began), now)
        }
        var result = hostEntries
        for (command, times) in zip(commands, times) {
            var entry = command.entry
            entry.started = onHost(times.started)
            entry.ended = max(onHost(times.ended), entry.started)
            result.append(entry)
        }
        return result
    }
}

extension RunProfile.Entry {
    fileprivate mutating func describe(_ node: PlannedNode) {
        self.node = node.node.name
        operatorType = node.node.displayType
        operations = node.cost.operations
        bytes = node.cost.bytes
    }
}
