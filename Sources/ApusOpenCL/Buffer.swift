package import ApusDevice
import COpenCL

/// Memory of one device; released with its last reference.
package final class Buffer: Sendable {
    package let device: OpenCLDevice
    /// The size that was asked for; may be 0.
    package let byteCount: Int
    let handle: Handle<MemoryKind>
    private let allocatedBytes: Int

    /// Allocates memory, whose contents are undefined.
    ///
    /// - Throws: `BackendError` with code `outOfMemory` if the device has no room.
    package init(_ device: OpenCLDevice, byteCount: Int) throws(BackendError) {
        let context = try device.context()
        let allocatedBytes = max(byteCount, 1)
        do throws(CLError) {
            guard byteCount >= 0 else { throw CLError(CL_INVALID_BUFFER_SIZE, "clCreateBuffer") }
            handle = Handle(
                try create("clCreateBuffer") {
                    clCreateBuffer(context.handle.raw, cl_mem_flags(CL_MEM_READ_WRITE), allocatedBytes, nil, $0)
                }
            )
        } catch {
            throw BackendError(
                error,
                device: device.info.name,
                detail: "\(byteCount) bytes asked for, \(device.memoryStatistics.liveBytes) in use, "
                    + "at most \(device.info.maximumAllocationBytes) in one buffer"
            )
        }
        self.device = device
        self.byteCount = byteCount
        self.allocatedBytes = allocatedBytes
        device.countAllocation(allocatedBytes)
    }

    deinit { device.countRelease(allocatedBytes) }

    /// Checks that a range of bytes lies inside the buffer.
    func check(offset: Int, byteCount: Int, _ call: String) throws(BackendError) {
        let (end, overflow) = offset.addingReportingOverflow(byteCount)
        guard offset >= 0, byteCount >= 0, !overflow, end <= self.byteCount else {
            throw BackendError(
                .callFailed,
                "\(call): bytes \(offset) ..< \(overflow ? Int.max : end) of a buffer of \(self.byteCount) bytes",
                device: device.info.name,
                status: CL_INVALID_VALUE
            )
        }
    }
}

extension OpenCLDevice {
    /// Allocates memory, whose contents are undefined.
    ///
    /// - Throws: `BackendError` with code `outOfMemory` if the device has no room.
    package func makeBuffer(byteCount: Int) throws(BackendError) -> Buffer {
        try Buffer(self, byteCount: byteCount)
    }
}
