package import ApusDevice
import COpenCL

/// An OpenCL call failed.
package struct CLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The status that the call returned, such as -4.
    package let status: Int32
    /// The function that failed, such as `clCreateBuffer`.
    package let call: String

    /// Names the call that returned a status.
    package init(_ status: Int32, _ call: String) {
        self.status = status
        self.call = call
    }

    /// The name of the status in OpenCL's headers.
    package var name: String { CLError.names[status] ?? "unknown status" }

    package var description: String { "\(call): \(name) (\(status))" }

    private static let names: [Int32: String] = [
        -1: "CL_DEVICE_NOT_FOUND",
        -2: "CL_DEVICE_NOT_AVAILABLE",
        -3: "CL_COMPILER_NOT_AVAILABLE",
        -4: "CL_MEM_OBJECT_ALLOCATION_FAILURE",
        -5: "CL_OUT_OF_RESOURCES",
        -6: "CL_OUT_OF_HOST_MEMORY",
        -7: "CL_PROFILING_INFO_NOT_AVAILABLE",
        -8: "CL_MEM_COPY_OVERLAP",
        -11: "CL_BUILD_PROGRAM_FAILURE",
        -12: "CL_MAP_FAILURE",
        -13: "CL_MISALIGNED_SUB_BUFFER_OFFSET",
        -14: "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
        -15: "CL_COMPILE_PROGRAM_FAILURE",
        -16: "CL_LINKER_NOT_AVAILABLE",
        -17: "CL_LINK_PROGRAM_FAILURE",
        -30: "CL_INVALID_VALUE",
        -31: "CL_INVALID_DEVICE_TYPE",
        -32: "CL_INVALID_PLATFORM",
        -33: "CL_INVALID_DEVICE",
        -34: "CL_INVALID_CONTEXT",
        -35: "CL_INVALID_QUEUE_PROPERTIES",
        -36: "CL_INVALID_COMMAND_QUEUE",
        -37: "CL_INVALID_HOST_PTR",
        -38: "CL_INVALID_MEM_OBJECT",
        -42: "CL_INVALID_BINARY",
        -43: "CL_INVALID_BUILD_OPTIONS",
        -44: "CL_INVALID_PROGRAM",
        -45: "CL_INVALID_PROGRAM_EXECUTABLE",
        -46: "CL_INVALID_KERNEL_NAME",
        -47: "CL_INVALID_KERNEL_DEFINITION",
        -48: "CL_INVALID_KERNEL",
        -49: "CL_INVALID_ARG_INDEX",
        -50: "CL_INVALID_ARG_VALUE",
        -51: "CL_INVALID_ARG_SIZE",
        -52: "CL_INVALID_KERNEL_ARGS",
        -53: "CL_INVALID_WORK_DIMENSION",
        -54: "CL_INVALID_WORK_GROUP_SIZE",
        -55: "CL_INVALID_WORK_ITEM_SIZE",
        -56: "CL_INVALID_GLOBAL_OFFSET",
        -57: "CL_INVALID_EVENT_WAIT_LIST",
        -58: "CL_INVALID_EVENT",
        -59: "CL_INVALID_OPERATION",
        -61: "CL_INVALID_BUFFER_SIZE",
        -63: "CL_INVALID_GLOBAL_WORK_SIZE",
        -64: "CL_INVALID_PROPERTY",
        -1001: "CL_PLATFORM_NOT_FOUND_KHR",
    ]
}

extension BackendError {
    /// A failed call on a device.
    ///
    /// - Parameters:
    ///   - detail: what the call was asked for, such as the number of bytes.
    ///   - enqueuesKernel: whether the call enqueued one kernel (see `Code.init(status:enqueuesKernel:)`).
    package init(
        _ error: CLError,
        device: String,
        kernel: String? = nil,
        detail: String? = nil,
        enqueuesKernel: Bool = false
    ) {
        self.init(
            Code(status: error.status, enqueuesKernel: enqueuesKernel),
            detail.map { "\(error) (\($0))" } ?? "\(error)",
            device: device,
            kernel: kernel,
            status: error.status
        )
    }
}

/// Makes an object by an OpenCL call that returns it and reports its status through a pointer.
func create(
    _ call: String,
    _ body: (UnsafeMutablePointer<cl_int>) -> OpaquePointer?
) throws(CLError) -> OpaquePointer {
    var status: cl_int = 0
    guard let raw = body(&status), status == CL_SUCCESS else {
        throw CLError(status == CL_SUCCESS ? CL_INVALID_VALUE : status, call)
    }
    return raw
}
