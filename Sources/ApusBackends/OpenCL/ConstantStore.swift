import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOpenCL
import ApusTensor
import Synchronization

/// The constants of one model on one device: raw where kernels read them so, packed by the load phase otherwise.
///
/// Plans of other shapes share them. A raw constant that only the load phase reads is released when that is done, and
/// what is made from constants of one plan's binding is left to that plan.
final class ConstantStore: Sendable {
    private struct Contents {
        var raw: [ValueID: Buffer] = [:]
        var packed: [PackedKey: Buffer] = [:]
    }

    private let device: OpenCLDevice
    private let constants: [ValueID: RuntimeValue]
    private let guards: GuardBands?
    private let contents = Mutex(Contents())

    /// Kernels move whole vectors: a buffer ends at least this many bytes after the last element.
    private static let slackBytes = 64
    /// A larger constant that one packing launch reads in parts goes to the device in slices of about this size.
    private static let sliceBytes = 16 << 20

    init(_ device: OpenCLDevice, _ constants: [ValueID: RuntimeValue], guards: GuardBands? = nil) {
        self.guards = guards
        self.device = device
        self.constants = constants
    }

    /// How many buffers the plans share.
    var bufferCount: Int { contents.withLock { $0.raw.count + $0.packed.count } }

    /// The buffers that the launches of a plan refer to, all of them filled.
    ///
    /// - Parameter extra: constants that binding added to those of the model.
    /// - Throws: `BackendError`.
    func buffers(
        for plan: Plan,
        extra: [ValueID: RuntimeValue],
        programs: [KernelProgram: Program],
        queue: Queue
    ) throws(BackendError) -> [BufferLocation: Buffer] {
        try contents.withLock { contents throws(BackendError) in
            let before = contents
            do throws(BackendError) {
                return try load(&contents, plan, extra, programs, queue)
            } catch {
                // What was loaded may not have arrived, so other plans must not read it.
                try? queue.finish()
                contents = before
                throw error
            }
        }
    }

    private func load(
        _ contents: inout Contents,
        _ plan: Plan,
        _ extra: [ValueID: RuntimeValue],
        _ programs: [KernelProgram: Program],
        _ queue: Queue
    ) throws(BackendError) -> [BufferLocation: Buffer] {
        let needed = Set(plan.launches.flatMap(\.locations) + plan.locations.values)
        var lastReader: [ValueID: Int] = [:]
        var readers: [ValueID: Int] = [:]
        for (index, step) in plan.loadSteps.enumerated() {
            for case .constant(let id) in step.locations {
                lastReader[id] = index
                readers[id, default: 0] += 1
            }
        }
        var result: [BufferLocation: Buffer] = [:]
        var local: [ValueID: Buffer] = [:]
        var made: [PackedKey: Buffer] = [:]
        func raw(_ id: ValueID) throws(BackendError) -> Buffer {
            if let buffer = local[id] ?? contents.raw[id] { return buffer }
            let buffer = try upload(extra[id] ?? constants[id], queue)
            if constants[id] != nil && needed.contains(.constant(id)) {
                contents.raw[id] = buffer
            } else {
                local[id] = buffer
            }
            return buffer
        }
        let missing = Set(plan.loadSteps.flatMap(\.locations)).compactMap { location -> PackedKey? in
            if case .packed(let key) = location, contents.packed[key] == nil { key } else { nil }
        }
        let missingKeys = Set(missing)
        for (index, step) in plan.loadSteps.enumerated() {
            let isMissing = step.locations.contains {
                if case .packed(let key) = $0 { missingKeys.contains(key) } else { false }
            }
            if isMissing {
                var sliced: (tensor: Tensor, slices: SourceSlices)?
                if case .constant(let id)? = step.locations.first, readers[id] == 1, contents.raw[id] == nil,
                    !needed.contains(.constant(id)), let slices = step.launch.sourceSlices,
                    case .tensor(let tensor)? = extra[id] ?? constants[id], tensor.byteCount > Self.sliceBytes
                {
                    sliced = (tensor, slices)
                }
                var buffers: [Buffer] = []
                for (position, location) in step.locations.enumerated() {
                    switch location {
                    case .constant where position == 0 && sliced != nil: continue
                    case .constant(let id): buffers.append(try raw(id))
                    case .packed(let key):
                        if let buffer = made[key] ?? contents.packed[key] {
                            buffers.append(buffer)
                            continue
                        }
                        let buffer = try makeBuffer(byteCount: key.byteCount)
                        made[key] = buffer
                        buffers.append(buffer)
                    case .arena:
                        throw BackendError(.callFailed, "the load phase refers to the arena", device: device.info.name)
                    }
                }
                if let (tensor, slices) = sliced {
                    try enqueue(step, reading: tensor, slices, buffers, programs, queue)
                } else {
                    try queue.enqueueKernel(
                        try makeKernel(step, programs, buffers, device),
                        globalSize: step.launch.globalSize,
                        localSize: step.launch.localSize
                    )
                }
            }
            for case .constant(let id) in step.locations where lastReader[id] == index && local[id] != nil {
                try queue.finish()
                if !needed.contains(.constant(id)) { local[id] = nil }
            }
        }
        for location in needed {
            switch location {
            case .arena: continue
            case .constant(let id): result[location] = try raw(id)
            case .packed(let key): result[location] = made[key] ?? contents.packed[key]
            }
        }
        // Other queues will read: that a blocking write has returned only frees the host's memory.
        try queue.finish()
        for (key, buffer) in made where key.owner == nil { contents.packed[key] = buffer }
        return result
    }

    /// Runs a launch part by part, so that neither the file's pages nor the device hold its first tensor as a whole.
    ///
    /// - Parameter buffers: those of the other tensors.
    private func enqueue(
        _ step: PlannedLaunch,
        reading tensor: Tensor,
        _ slices: SourceSlices,
        _ buffers: [Buffer],
        _ programs: [KernelProgram: Program],
        _ queue: Queue
    ) throws(BackendError) {
        let bytesPerIndex = tensor.elementType.bitWidth * slices.elementsPerIndex / 8
        let count = step.launch.globalSize[slices.dimension]
        let stride = max(1, Self.sliceBytes / max(1, bytesPerIndex))
        let staging = try device.makeBuffer(
            byteCount: min(stride * bytesPerIndex, tensor.byteCount) + Self.slackBytes
        )
        for begin in Swift.stride(from: 0, to: count, by: stride) {
            let end = min(begin + stride, count)
            let bytes = begin * bytesPerIndex..<min(end * bytesPerIndex, tensor.byteCount)
            try tensor.withUnsafeBytes { all throws(BackendError) in
                _ = try queue.enqueueWrite(staging, from: UnsafeRawBufferPointer(rebasing: all[bytes]))
            }
            var part = step
            guard case .tensor(let reference, let offset, let elementBytes, let access)? = part.launch.arguments.first
            else { throw BackendError(.callFailed, "a sliced launch does not begin with a tensor") }
            part.launch.arguments[0] = .tensor(
                reference,
                offset: offset - begin * slices.elementsPerIndex,
                elementBytes: elementBytes,
                access: access
            )
            var globalSize = step.launch.globalSize
            var globalOffset = globalSize.map { _ in 0 }
            globalSize[slices.dimension] = end - begin
            globalOffset[slices.dimension] = begin
            try queue.enqueueKernel(
                try makeKernel(part, programs, [staging] + buffers, device),
                globalSize: globalSize,
                localSize: step.launch.localSize,
                globalOffset: globalOffset
            )
            try queue.finish()
            tensor.dropMappedPages(bytes)
        }
    }

    private func makeBuffer(byteCount: Int) throws(BackendError) -> Buffer {
        try device.makeBuffer(byteCount: byteCount + Self.slackBytes, guards: guards, used: [0..<byteCount])
    }

    private func upload(_ value: RuntimeValue?, _ queue: Queue) throws(BackendError) -> Buffer {
        guard case .tensor(let tensor)? = value else {
            throw BackendError(.unsupported, "a constant is not a numeric tensor", device: device.info.name)
        }
        let buffer = try makeBuffer(byteCount: tensor.byteCount)
        for begin in stride(from: 0, to: tensor.byteCount, by: Self.sliceBytes) {
            let bytes = begin..<min(begin + Self.sliceBytes, tensor.byteCount)
            try tensor.withUnsafeBytes { all throws(BackendError) in
                _ = try queue.enqueueWrite(buffer, offset: begin, from: UnsafeRawBufferPointer(rebasing: all[bytes]))
            }
            tensor.dropMappedPages(bytes)
        }
        return buffer
    }
}

/// A kernel of a launch with all its arguments set.
///
/// - Parameter buffers: one for each tensor argument, in order.
func makeKernel(
    _ planned: PlannedLaunch,
    _ programs: [KernelProgram: Program],
    _ buffers: [Buffer],
    _ device: OpenCLDevice
) throws(BackendError) -> Kernel {
    guard let program = programs[planned.launch.program] else {
        throw BackendError(.callFailed, "the program of kernel \(planned.launch.kernel) was not built")
    }
    let kernel = try program.makeKernel(planned.launch.kernel)
    var index = 0
    var tensor = 0
    for argument in planned.launch.arguments {
        switch argument {
        case .tensor(_, let offset, let elementBytes, _):
            try kernel.setArgument(index, buffers[tensor])
            var start = offset
            if case .arena(let byteOffset) = planned.locations[tensor] { start += byteOffset / max(elementBytes, 1) }
            try kernel.setArgument(index + 1, Int64(start))
            index += 1
            tensor += 1
        case .int(let value):
            guard let value = Int32(exactly: value) else {
                throw BackendError(
                    .unsupported,
                    "\(value) does not fit a 32-bit kernel argument",
                    device: device.info.name,
                    kernel: planned.launch.kernel
                )
            }
            try kernel.setArgument(index, value)
        case .long(let value): try kernel.setArgument(index, Int64(value))
        case .float(let value): try kernel.setArgument(index, value)
        case .local(let byteCount): try kernel.setArgument(index, localByteCount: byteCount)
        }
        index += 1
    }
    guard index == kernel.argumentCount else {
        throw BackendError(
            .callFailed,
            "the launch has \(index) arguments, the kernel \(kernel.argumentCount)",
            device: device.info.name,
            kernel: planned.launch.kernel
        )
    }
    return kernel
}
