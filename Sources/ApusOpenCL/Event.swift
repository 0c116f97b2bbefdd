package import ApusDevice
import COpenCL

/// When a command went through its stages, in nanoseconds of the device's clock.
package struct EventTimes: Sendable, Hashable {
    package var queued: UInt64
    package var submitted: UInt64
    package var started: UInt64
    package var ended: UInt64

    /// The time from start to end in nanoseconds.
    package var durationNanoseconds: UInt64 { ended >= started ? ended - started : 0 }
}

/// The completion of one command.
package final class Event: Sendable {
    package let device: OpenCLDevice
    let handle: Handle<EventKind>

    init(_ raw: OpaquePointer, _ device: OpenCLDevice) {
        handle = Handle(raw)
        self.device = device
    }

    /// Blocks until the command has ended.
    ///
    /// - Throws: `BackendError` with code `deviceLost` if the command, or one before it, failed.
    package func wait() throws(BackendError) {
        var raw: cl_event? = handle.raw
        try device.check(clWaitForEvents(1, &raw), "clWaitForEvents")
    }

    /// Whether the command has ended.
    ///
    /// - Throws: `BackendError` with code `deviceLost` if it ended abnormally.
    package func isComplete() throws(BackendError) -> Bool {
        var status = cl_int(CL_QUEUED)
        try device.check(
            clGetEventInfo(
                handle.raw,
                cl_event_info(CL_EVENT_COMMAND_EXECUTION_STATUS),
                MemoryLayout<cl_int>.size,
                &status,
                nil
            ),
            "clGetEventInfo"
        )
        guard status >= 0 else {
            throw BackendError(
                .deviceLost,
                "a command ended with \(CLError(status, "the event"))",
                device: device.info.name,
                status: status
            )
        }
        return status == CL_COMPLETE
    }

    /// When the command went through its stages, once it has ended.
    ///
    /// - Throws: `BackendError` if the queue does not profile or the command has not ended.
    package func times() throws(BackendError) -> EventTimes {
        func time(_ property: Int32) throws(BackendError) -> UInt64 {
            var time: cl_ulong = 0
            try device.check(
                clGetEventProfilingInfo(
                    handle.raw,
                    cl_profiling_info(property),
                    MemoryLayout<cl_ulong>.size,
                    &time,
                    nil
                ),
                "clGetEventProfilingInfo"
            )
            return time
        }
        return EventTimes(
            queued: try time(CL_PROFILING_COMMAND_QUEUED),
            submitted: try time(CL_PROFILING_COMMAND_SUBMIT),
            started: try time(CL_PROFILING_COMMAND_START),
            ended: try time(CL_PROFILING_COMMAND_END)
        )
    }
}
