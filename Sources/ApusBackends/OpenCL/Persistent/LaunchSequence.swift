import ApusCompiler
import ApusDevice
import ApusLowering

/// Launches of a plan, one after another, that one launch of a persistent kernel runs.
struct LaunchSequence: Sendable {
    /// The places of the launches among the plan's steps.
    private(set) var steps: Range<Int>
    private(set) var launches: [PlannedLaunch] = []
    /// The buffers of the launches, each once.
    private(set) var locations: [BufferLocation] = []
    private var places: [BufferLocation: Int] = [:]

    /// Local memory of a stage begins at multiples of this.
    private static let localAlignment = 128

    /// The fewest launches that are worth a program of their own; `nil` where none are, as on drivers whose launches cost
    /// little and whose compilers take twice as long over linked programs.
    static func minimumLength(on device: DeviceInfo) -> Int? {
        device.isPocl && device.hasOrderedAtomics ? 4 : nil
    }

    /// The sequences of a plan, in order.
    ///
    /// - Parameters:
    ///   - maximumBuffers: how many buffers one kernel may have as parameters.
    ///   - minimumLength: the fewest launches of a sequence.
    static func sequences(of plan: Plan, maximumBuffers: Int, minimumLength: Int) -> [LaunchSequence] {
        var result: [LaunchSequence] = []
        for (index, step) in plan.steps.enumerated() {
            guard case .launch(let launch) = step, canBeStage(launch.launch) else { continue }
            if result.last?.steps.upperBound == index,
                result[result.count - 1].append(launch, maximumBuffers: maximumBuffers)
            {
                continue
            }
            var sequence = LaunchSequence(steps: index..<index)
            if sequence.append(launch, maximumBuffers: maximumBuffers) { result.append(sequence) }
        }
        return result.filter { $0.launches.count >= minimumLength }
    }

    private init(steps: Range<Int>) { self.steps = steps }

    /// Only work-items that are work-groups of their own can be run by one work-group after another.
    private static func canBeStage(_ launch: KernelLaunch) -> Bool {
        guard let local = launch.localSize, local.allSatisfy({ $0 == 1 }), launch.sourceSlices == nil else {
            return false
        }
        var items = 1
        for extent in launch.globalSize {
            let (product, overflow) = items.multipliedReportingOverflow(by: extent)
            guard !overflow, product > 0, Int32(exactly: product) != nil else { return false }
            items = product
        }
        return launch.arguments.allSatisfy {
            if case .int(let value) = $0 { Int32(exactly: value) != nil } else { true }
        }
    }

    /// Returns whether the kernel has parameters left for the buffers of the launch.
    private mutating func append(_ launch: PlannedLaunch, maximumBuffers: Int) -> Bool {
        var added: [BufferLocation] = []
        for location in launch.locations.map(Self.buffer) where places[location] == nil && !added.contains(location) {
            added.append(location)
        }
        guard locations.count + added.count <= maximumBuffers else { return false }
        for location in added {
            places[location] = locations.count
            locations.append(location)
        }
        launches.append(launch)
        steps = steps.lowerBound..<steps.upperBound + 1
        return true
    }

    /// All of the arena is one buffer.
    private static func buffer(_ location: BufferLocation) -> BufferLocation {
        if case .arena = location { .arena(0) } else { location }
    }

    /// The table of `persistent/stages.cl`.
    func table(_ functions: [StageFunction: Int]) -> [Int64] {
        var records: [Int64] = []
        var starts: [Int64] = []
        for planned in launches {
            starts.append(Int64(launches.count + records.count))
            let extents = planned.launch.globalSize + [1, 1]
            records.append(Int64(functions[StageFunction(planned.launch)] ?? 0))
            records += extents.prefix(3).map(Int64.init)
            var tensor = 0
            var localOffset = 0
            for argument in planned.launch.arguments {
                switch argument {
                case .tensor(_, let offset, let elementBytes, _):
                    let location = planned.locations[tensor]
                    var start = offset
                    if case .arena(let byteOffset) = location { start += byteOffset / max(elementBytes, 1) }
                    records += [Int64(places[Self.buffer(location)] ?? 0), Int64(start)]
                    tensor += 1
                case .int(let value), .long(let value): records.append(Int64(value))
                case .float(let value): records.append(Int64(Int32(bitPattern: value.bitPattern)))
                case .local(let byteCount):
                    records.append(Int64(localOffset))
                    localOffset += Self.aligned(byteCount)
                }
            }
        }
        return starts + records
    }

    /// The launches of a plan that no sequence runs, by their steps.
    static func launches(of plan: Plan, outside sequences: [LaunchSequence]) -> [(step: Int, launch: PlannedLaunch)] {
        plan.steps.enumerated().compactMap { index, step in
            guard case .launch(let launch) = step, !sequences.contains(where: { $0.steps.contains(index) }) else {
                return nil
            }
            return (index, launch)
        }
    }

    /// The local memory of the launch that needs most.
    var localByteCount: Int {
        let needs = launches.map { planned in
            planned.launch.arguments.reduce(0) {
                if case .local(let byteCount) = $1 { $0 + Self.aligned(byteCount) } else { $0 }
            }
        }
        return max(needs.max() ?? 0, Self.localAlignment)
    }

    private static func aligned(_ byteCount: Int) -> Int {
        (byteCount + localAlignment - 1) / localAlignment * localAlignment
    }

    /// The bytes of the state of `persistent/stages.cl`.
    func stateByteCount(groups: Int) -> Int { 64 * (2 + 2 * launches.count * (groups + 1)) }
}
