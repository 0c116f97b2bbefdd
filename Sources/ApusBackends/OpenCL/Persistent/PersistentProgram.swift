import ApusCompiler
import ApusDevice
import ApusOpenCL

/// The sequences of a plan with the one program that runs them.
struct PersistentProgram: Sendable {
    let sequences: [LaunchSequence]
    private let linked: LinkedStages
    private let tables: [Buffer]
    private let groups: Int

    /// - Returns: `nil` where no launches of the plan make a sequence, or the device or its compiler cannot run one.
    /// - Throws: `BackendError` if a call fails.
    init?(
        _ plan: Plan,
        _ device: OpenCLDevice,
        _ store: LinkedStageStore,
        _ builder: ProgramBuilder,
        _ queue: Queue,
        minimumLength: Int?
    ) throws(BackendError) {
        guard device.info.hasOrderedAtomics, device.info.kind == .cpu,
            let minimumLength = minimumLength ?? LaunchSequence.minimumLength(on: device.info)
        else { return nil }
        let sequences = LaunchSequence.sequences(
            of: plan,
            maximumBuffers: LinkedStages.maximumBuffers(device.info),
            minimumLength: minimumLength
        )
        guard let most = sequences.map(\.locations.count).max() else { return nil }
        groups = device.info.computeUnits
        let functions = Set(sequences.flatMap(\.launches).map { StageFunction($0.launch) })
        guard let linked = try store.stages(for: functions, bufferCount: most, builder) else { return nil }
        self.linked = linked
        var tables: [Buffer] = []
        for sequence in sequences {
            let table = sequence.table(linked.numbers)
            let buffer = try device.makeBuffer(byteCount: table.count * 8)
            try table.withUnsafeBufferPointer { words throws(BackendError) in
                _ = try queue.enqueueWrite(buffer, from: UnsafeRawBufferPointer(words))
            }
            tables.append(buffer)
        }
        self.tables = tables
        self.sequences = sequences
    }

    /// The kernel of a sequence with its arguments, and its global size.
    ///
    /// - Parameter buffer: the memory of a location in the run.
    func makeKernel(
        _ index: Int,
        _ queue: Queue,
        _ buffer: (BufferLocation) throws(BackendError) -> Buffer
    ) throws(BackendError) -> (kernel: Kernel, globalSize: [Int]) {
        let sequence = sequences[index]
        let state = try queue.device.makeBuffer(byteCount: sequence.stateByteCount(groups: groups))
        try queue.enqueueFill(state, with: UInt32(0))
        let kernel = try linked.program.makeKernel("persistent_stages")
        try kernel.setArgument(0, tables[index])
        try kernel.setArgument(1, state)
        try kernel.setArgument(2, Int32(clamping: sequence.launches.count))
        try kernel.setArgument(3, localByteCount: sequence.localByteCount)
        for place in 0..<linked.bufferCount {
            let location = place < sequence.locations.count ? sequence.locations[place] : nil
            try kernel.setArgument(
                4 + place,
                try location.map { location throws(BackendError) in try buffer(location) }
            )
        }
        return (kernel, [groups])
    }
}
