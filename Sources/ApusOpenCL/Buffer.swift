package import ApusDevice
import COpenCL

/// Memory of one device; released with its last reference.
package final class Buffer: Sendable {
    package let device: OpenCLDevice
    /// The size that was asked for; may be 0.
    package let byteCount: Int
    let handle: Handle<MemoryKind>
    private let allocatedBytes: Int
    /// The buffer whose memory this is a part of.
    private let whole: Buffer?

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
        whole = nil
        device.countAllocation(allocatedBytes)
    }

    /// A part of another buffer.
    ///
    /// - Parameter offset: a multiple of the device's alignment.
    init(_ whole: Buffer, offset: Int, byteCount: Int) throws(BackendError) {
        try whole.check(offset: offset, byteCount: max(byteCount, 1), "clCreateSubBuffer")
        do throws(CLError) {
            handle = Handle(
                try create("clCreateSubBuffer") { status in
                    var region = cl_buffer_region(origin: offset, size: max(byteCount, 1))
                    return clCreateSubBuffer(
                        whole.handle.raw,
                        cl_mem_flags(CL_MEM_READ_WRITE),
                        cl_buffer_create_type(CL_BUFFER_CREATE_TYPE_REGION),
                        &region,
                        status
                    )
                }
            )
        } catch {
            throw BackendError(error, device: whole.device.info.name, detail: "\(byteCount) bytes at \(offset)")
        }
        device = whole.device
        self.byteCount = byteCount
        allocatedBytes = 0
        self.whole = whole
        device.countAllocation(0)
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

    /// Allocates memory between guard bands, where there are any.
    ///
    /// - Parameter used: the bytes that may be written; the rest is guarded too.
    /// - Throws: `BackendError` with code `outOfMemory` if the device has no room.
    package func makeBuffer(
        byteCount: Int,
        guards: GuardBands?,
        used: [Range<Int>]
    ) throws(BackendError) -> Buffer {
        guard let guards else { return try makeBuffer(byteCount: byteCount) }
        return try guards.makeBuffer(self, byteCount: byteCount, used: used)
    }
}
