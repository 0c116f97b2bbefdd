package import ApusDevice
import COpenCL

/// A program built for one device; may be used from any thread.
package final class Program: Sendable {
    /// What a program was built from.
    package enum Origin: Sendable, Hashable {
        case source
        case binary
    }

    package let device: OpenCLDevice
    package let origin: Origin
    /// The names of its kernels, in the driver's order.
    package let kernelNames: [String]
    let context: Context
    let handle: Handle<ProgramKind>

    /// Compiles OpenCL C.
    ///
    /// - Throws: `BackendError` with code `buildFailed` and the compiler's log.
    package convenience init(
        _ device: OpenCLDevice,
        source: String,
        options: String = ""
    ) throws(BackendError) {
        let context = try device.context()
        let handle = try Program.handle(device, context, source: source)
        var identifier: cl_device_id? = device.identifier.raw
        let raw = handle.raw
        let status = options.withCString { clBuildProgram(raw, 1, &identifier, $0, nil, nil) }
        try Program.check(status, "clBuildProgram", raw, device)
        self.init(device, context, handle, origin: .source)
    }

    /// A program that was not built.
    static func handle(
        _ device: OpenCLDevice,
        _ context: Context,
        source: String
    ) throws(BackendError) -> Handle<ProgramKind> {
        do throws(CLError) {
            return Handle(
                try create("clCreateProgramWithSource") { status in
                    var source = source
                    return source.withUTF8 { text in
                        text.withMemoryRebound(to: CChar.self) { text in
                            var start = text.baseAddress
                            var count = text.count
                            return clCreateProgramWithSource(context.handle.raw, 1, &start, &count, status)
                        }
                    }
                }
            )
        } catch {
            throw BackendError(error, device: device.info.name)
        }
    }

    /// Loads what `binary()` returned for the same device and driver.
    ///
    /// - Throws: `BackendError` if the driver rejects the binary.
    package convenience init(
        _ device: OpenCLDevice,
        binary: ArraySlice<UInt8>,
        options: String = ""
    ) throws(BackendError) {
        let context = try device.context()
        var binaryStatus: cl_int = 0
        let raw: OpaquePointer
        do throws(CLError) {
            raw = try create("clCreateProgramWithBinary") { status in
                var identifier: cl_device_id? = device.identifier.raw
                return binary.withUnsafeBufferPointer { bytes in
                    var start = bytes.baseAddress
                    var count = bytes.count
                    return clCreateProgramWithBinary(
                        context.handle.raw,
                        1,
                        &identifier,
                        &count,
                        &start,
                        &binaryStatus,
                        status
                    )
                }
            }
        } catch {
            throw BackendError(error, device: device.info.name)
        }
        let handle = Handle<ProgramKind>(raw)
        try device.check(binaryStatus, "clCreateProgramWithBinary")
        var identifier: cl_device_id? = device.identifier.raw
        let built = handle.raw
        let status = options.withCString { clBuildProgram(built, 1, &identifier, $0, nil, nil) }
        try Program.check(status, "clBuildProgram", built, device)
        self.init(device, context, handle, origin: .binary)
    }

    /// - Parameter handle: a program that is built.
    init(
        _ device: OpenCLDevice,
        _ context: Context,
        _ handle: consuming Handle<ProgramKind>,
        origin: Origin
    ) {
        kernelNames = string(handle.raw, clGetProgramInfo, CL_PROGRAM_KERNEL_NAMES)
            .split(separator: ";").map(String.init)
        self.device = device
        self.context = context
        self.origin = origin
        self.handle = handle
    }

    /// Makes a kernel of its own for the calling thread.
    ///
    /// - Throws: `BackendError` with code `kernelUnusable` if the program has no kernel of that name.
    package func makeKernel(_ name: String) throws(BackendError) -> Kernel {
        try Kernel(self, name)
    }

    /// The compiler's remarks; often empty.
    package var buildLog: String { Program.buildLog(handle.raw, device) }

    /// The device code in the driver's own format.
    ///
    /// - Throws: `BackendError` if the driver has none.
    package func binary() throws(BackendError) -> [UInt8] {
        var byteCount = 0
        try device.check(
            clGetProgramInfo(
                handle.raw,
                cl_program_info(CL_PROGRAM_BINARY_SIZES),
                MemoryLayout<Int>.size,
                &byteCount,
                nil
            ),
            "clGetProgramInfo"
        )
        guard byteCount > 0 else {
            throw BackendError(CLError(CL_INVALID_BINARY, "clGetProgramInfo"), device: device.info.name)
        }
        var result = [UInt8](repeating: 0, count: byteCount)
        let status = result.withUnsafeMutableBufferPointer { bytes in
            var start = bytes.baseAddress
            return clGetProgramInfo(
                handle.raw,
                cl_program_info(CL_PROGRAM_BINARIES),
                MemoryLayout<UnsafeMutablePointer<UInt8>?>.size,
                &start,
                nil
            )
        }
        try device.check(status, "clGetProgramInfo")
        return result
    }

    /// - Throws: `BackendError` with code `buildFailed` and the log, if a call that builds has failed.
    static func check(
        _ status: cl_int,
        _ call: String,
        _ raw: OpaquePointer,
        _ device: OpenCLDevice
    ) throws(BackendError) {
        guard status != CL_SUCCESS else { return }
        throw BackendError(
            buildCode(status),
            "\(CLError(status, call))",
            device: device.info.name,
            buildLog: buildLog(raw, device),
            status: status
        )
    }

    /// A compiler that runs out of resources has not lost the device.
    static func buildCode(_ status: cl_int) -> BackendError.Code {
        switch status {
        case CL_OUT_OF_HOST_MEMORY: .outOfMemory
        case CL_DEVICE_NOT_AVAILABLE: .deviceLost
        default: .buildFailed
        }
    }

    private static func buildLog(_ raw: OpaquePointer, _ device: OpenCLDevice) -> String {
        string(
            raw,
            { clGetProgramBuildInfo($0, device.identifier.raw, $1, $2, $3, $4) },
            CL_PROGRAM_BUILD_LOG
        )
    }
}
