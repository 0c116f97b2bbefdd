package import ApusDevice
import COpenCL

/// A kernel with its arguments; belongs to one thread at a time.
package final class Kernel {
    package let name: String
    package let program: Program
    package let argumentCount: Int
    let handle: Handle<KernelKind>
    /// Drivers do not keep the buffers that arguments refer to.
    private var buffers: [Buffer?]

    init(_ program: Program, _ name: String) throws(BackendError) {
        do throws(CLError) {
            handle = Handle(
                try create("clCreateKernel") { status in
                    name.withCString { clCreateKernel(program.handle.raw, $0, status) }
                }
            )
        } catch {
            throw BackendError(error, device: program.device.info.name, kernel: name)
        }
        var count: cl_uint = 0
        let status = clGetKernelInfo(
            handle.raw,
            cl_kernel_info(CL_KERNEL_NUM_ARGS),
            MemoryLayout<cl_uint>.size,
            &count,
            nil
        )
        guard status == CL_SUCCESS else {
            throw BackendError(CLError(status, "clGetKernelInfo"), device: program.device.info.name, kernel: name)
        }
        self.name = name
        self.program = program
        argumentCount = Int(count)
        buffers = Array(repeating: nil, count: argumentCount)
    }

    /// Binds a buffer, which the kernel keeps until the argument changes; `nil` is a null pointer.
    package func setArgument(_ index: Int, _ buffer: Buffer?) throws(BackendError) {
        var raw: cl_mem? = buffer?.handle.raw
        try set(index, MemoryLayout<cl_mem?>.size, &raw)
        buffers[index] = buffer
    }

    package func setArgument(_ index: Int, _ value: Int32) throws(BackendError) {
        try set(index, value)
    }

    package func setArgument(_ index: Int, _ value: UInt32) throws(BackendError) {
        try set(index, value)
    }

    package func setArgument(_ index: Int, _ value: Int64) throws(BackendError) {
        try set(index, value)
    }

    package func setArgument(_ index: Int, _ value: UInt64) throws(BackendError) {
        try set(index, value)
    }

    package func setArgument(_ index: Int, _ value: Float) throws(BackendError) {
        try set(index, value)
    }

    package func setArgument(_ index: Int, _ value: Double) throws(BackendError) {
        try set(index, value)
    }

    /// Reserves local memory for an argument in `__local`.
    package func setArgument(_ index: Int, localByteCount: Int) throws(BackendError) {
        try set(index, localByteCount, nil)
    }

    /// The largest work-group that the kernel can run with.
    package var maximumWorkGroupSize: Int {
        workGroupInfo(CL_KERNEL_WORK_GROUP_SIZE, 1)
    }

    /// The number that work-group sizes should be multiples of.
    package var preferredWorkGroupSizeMultiple: Int {
        workGroupInfo(CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, 1)
    }

    /// Local memory of one work-group, in bytes.
    package var localMemoryBytes: Int {
        Int(clamping: workGroupInfo(CL_KERNEL_LOCAL_MEM_SIZE, cl_ulong(0)))
    }

    /// Private memory of one work-item, in bytes; more than 0 hints at registers spilled.
    package var privateMemoryBytes: Int {
        Int(clamping: workGroupInfo(CL_KERNEL_PRIVATE_MEM_SIZE, cl_ulong(0)))
    }

    private func workGroupInfo<T: BitwiseCopyable>(_ property: Int32, _ defaultValue: T) -> T {
        value(
            handle.raw,
            { clGetKernelWorkGroupInfo($0, program.device.identifier.raw, $1, $2, $3, $4) },
            property,
            defaultValue
        )
    }

    private func set<T: BitwiseCopyable>(_ index: Int, _ value: T) throws(BackendError) {
        var value = value
        try set(index, MemoryLayout<T>.size, &value)
    }

    private func set(_ index: Int, _ size: Int, _ value: UnsafeRawPointer?) throws(BackendError) {
        let status =
            buffers.indices.contains(index) && size >= 0
            ? clSetKernelArg(handle.raw, cl_uint(index), size, value) : CL_INVALID_ARG_INDEX
        guard status == CL_SUCCESS else {
            throw BackendError(
                CLError(status, "clSetKernelArg"),
                device: program.device.info.name,
                kernel: name,
                detail: "argument \(index) of \(argumentCount)"
            )
        }
    }
}
