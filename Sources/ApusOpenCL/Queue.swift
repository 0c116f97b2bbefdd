package import ApusDevice
import COpenCL

/// An in-order queue of commands; may be used from any thread.
package final class Queue: Sendable {
    package let device: OpenCLDevice
    /// Whether events of the queue know their times.
    package let isProfiling: Bool
    let handle: Handle<QueueKind>

    /// Makes a queue in the device's current context.
    package init(_ device: OpenCLDevice, profiling: Bool = false) throws(BackendError) {
        let context = try device.context()
        do throws(CLError) {
            handle = Handle(
                try create("clCreateCommandQueue") {
                    clCreateCommandQueue(
                        context.handle.raw,
                        device.identifier.raw,
                        profiling ? cl_command_queue_properties(CL_QUEUE_PROFILING_ENABLE) : 0,
                        $0
                    )
                }
            )
        } catch {
            throw BackendError(error, device: device.info.name)
        }
        self.device = device
        isProfiling = profiling
    }

    /// Copies bytes from the host.
    ///
    /// - Parameter blocking: whether to return only when the source may be changed; otherwise it must stay as it is
    ///   until the command has ended.
    @discardableResult
    package func enqueueWrite(
        _ buffer: Buffer,
        offset: Int = 0,
        from source: UnsafeRawBufferPointer,
        blocking: Bool = true,
        wantsEvent: Bool = false
    ) throws(BackendError) -> Event? {
        try buffer.check(offset: offset, byteCount: source.count, "clEnqueueWriteBuffer")
        guard let address = source.baseAddress, source.count > 0 else { return try marker(wantsEvent) }
        return try enqueue("clEnqueueWriteBuffer", wantsEvent) {
            clEnqueueWriteBuffer(
                handle.raw,
                buffer.handle.raw,
                cl_bool(blocking ? 1 : 0),
                offset,
                source.count,
                address,
                0,
                nil,
                $0
            )
        }
    }

    /// Copies bytes to the host.
    ///
    /// - Parameter blocking: whether to return only when the bytes have arrived; otherwise the destination must stay
    ///   valid until the command has ended.
    @discardableResult
    package func enqueueRead(
        _ buffer: Buffer,
        offset: Int = 0,
        into destination: UnsafeMutableRawBufferPointer,
        blocking: Bool = true,
        wantsEvent: Bool = false
    ) throws(BackendError) -> Event? {
        try buffer.check(offset: offset, byteCount: destination.count, "clEnqueueReadBuffer")
        guard let address = destination.baseAddress, destination.count > 0 else { return try marker(wantsEvent) }
        return try enqueue("clEnqueueReadBuffer", wantsEvent) {
            clEnqueueReadBuffer(
                handle.raw,
                buffer.handle.raw,
                cl_bool(blocking ? 1 : 0),
                offset,
                destination.count,
                address,
                0,
                nil,
                $0
            )
        }
    }

    /// Copies bytes between two buffers of the device, or between two ranges of one that do not overlap.
    @discardableResult
    package func enqueueCopy(
        from source: Buffer,
        offset sourceOffset: Int = 0,
        to destination: Buffer,
        offset destinationOffset: Int = 0,
        byteCount: Int,
        wantsEvent: Bool = false
    ) throws(BackendError) -> Event? {
        try source.check(offset: sourceOffset, byteCount: byteCount, "clEnqueueCopyBuffer")
        try destination.check(offset: destinationOffset, byteCount: byteCount, "clEnqueueCopyBuffer")
        guard byteCount > 0 else { return try marker(wantsEvent) }
        return try enqueue("clEnqueueCopyBuffer", wantsEvent) {
            clEnqueueCopyBuffer(
                handle.raw,
                source.handle.raw,
                destination.handle.raw,
                sourceOffset,
                destinationOffset,
                byteCount,
                0,
                nil,
                $0
            )
        }
    }

    /// Runs a kernel with the arguments it has now; an empty global size runs nothing.
    ///
    /// - Parameters:
    ///   - globalSize: work-items in one to three dimensions, x first.
    ///   - localSize: work-items of a group, dividing `globalSize`; `nil` leaves the choice to the driver.
    ///   - globalOffset: the first index in each dimension; `nil` for 0.
    ///   - wantsEvent: whether to return an event; without one a launch is cheaper.
    /// - Throws: `BackendError` with code `kernelUnusable` if the device cannot run this kernel.
    @discardableResult
    package func enqueueKernel(
        _ kernel: Kernel,
        globalSize: [Int],
        localSize: [Int]? = nil,
        globalOffset: [Int]? = nil,
        wantsEvent: Bool = false
    ) throws(BackendError) -> Event? {
        guard (1...3).contains(globalSize.count), globalSize.allSatisfy({ $0 >= 0 }),
            localSize.map({ $0.count == globalSize.count && $0.allSatisfy { $0 > 0 } }) ?? true,
            globalOffset.map({ $0.count == globalSize.count && $0.allSatisfy { $0 >= 0 } }) ?? true
        else {
            throw BackendError(
                .kernelUnusable,
                "global size \(globalSize), local size \(localSize.map { "\($0)" } ?? "free"): not one to three sizes",
                device: device.info.name,
                kernel: kernel.name,
                status: CL_INVALID_WORK_DIMENSION
            )
        }
        if globalSize.contains(0) { return try marker(wantsEvent) }
        var raw: cl_event?
        let status =
            wantsEvent
            ? launch(kernel, globalOffset, globalSize, localSize, &raw)
            : launch(kernel, globalOffset, globalSize, localSize, nil)
        guard status == CL_SUCCESS else {
            throw BackendError(
                CLError(status, "clEnqueueNDRangeKernel"),
                device: device.info.name,
                kernel: kernel.name,
                detail: "global size \(globalSize), local size \(localSize.map { "\($0)" } ?? "free")",
                enqueuesKernel: true
            )
        }
        return raw.map { Event($0, device) }
    }

    private static let origin = [0, 0, 0]

    private func launch(
        _ kernel: Kernel,
        _ globalOffset: [Int]?,
        _ globalSize: [Int],
        _ localSize: [Int]?,
        _ event: UnsafeMutablePointer<cl_event?>?
    ) -> cl_int {
        let rank = cl_uint(globalSize.count)
        let offset = globalOffset ?? Self.origin
        guard let localSize else {
            return clEnqueueNDRangeKernel(handle.raw, kernel.handle.raw, rank, offset, globalSize, nil, 0, nil, event)
        }
        return clEnqueueNDRangeKernel(handle.raw, kernel.handle.raw, rank, offset, globalSize, localSize, 0, nil, event)
    }

    /// Enqueues nothing and returns an event that ends when all commands before it have ended.
    package func enqueueMarker() throws(BackendError) -> Event {
        guard let event = try marker(true) else {
            throw BackendError(CLError(CL_INVALID_EVENT, "clEnqueueMarkerWithWaitList"), device: device.info.name)
        }
        return event
    }

    /// Makes later commands of this queue wait for events of other queues of the device.
    package func enqueueBarrier(waitingFor events: [Event]) throws(BackendError) {
        guard !events.isEmpty else { return }
        let raw: [cl_event?] = events.map { $0.handle.raw }
        let status = withExtendedLifetime(events) {
            clEnqueueBarrierWithWaitList(handle.raw, cl_uint(raw.count), raw, nil)
        }
        try device.check(status, "clEnqueueBarrierWithWaitList")
    }

    /// Hands all commands to the device without waiting for them.
    package func flush() throws(BackendError) {
        try device.check(clFlush(handle.raw), "clFlush")
    }

    /// Blocks until all commands have ended.
    ///
    /// - Throws: `BackendError` with code `deviceLost` if one of them failed on the device.
    package func finish() throws(BackendError) {
        try device.check(clFinish(handle.raw), "clFinish")
    }

    func enqueue(
        _ call: String,
        _ wantsEvent: Bool,
        _ body: (UnsafeMutablePointer<cl_event?>?) -> cl_int
    ) throws(BackendError) -> Event? {
        guard wantsEvent else {
            try device.check(body(nil), call)
            return nil
        }
        var raw: cl_event?
        try device.check(body(&raw), call)
        return raw.map { Event($0, device) }
    }

    private func marker(_ wantsEvent: Bool) throws(BackendError) -> Event? {
        guard wantsEvent else { return nil }
        return try enqueue("clEnqueueMarkerWithWaitList", true) {
            clEnqueueMarkerWithWaitList(handle.raw, 0, nil, $0)
        }
    }
}

extension OpenCLDevice {
    /// Makes an in-order queue.
    package func makeQueue(profiling: Bool = false) throws(BackendError) -> Queue {
        try Queue(self, profiling: profiling)
    }
}
