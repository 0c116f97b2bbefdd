import ApusDevice
import COpenCL

/// A text that is compiled by itself, with the compiler's options.
package struct ProgramPart: Sendable, Hashable {
    package var source: String
    package var options: String

    package init(source: String, options: String) {
        self.source = source
        self.options = options
    }
}

extension Program {
    /// Compiles parts of OpenCL C one by one and links them into one program.
    ///
    /// - Throws: `BackendError` with code `buildFailed` and the log of the compiler or the linker.
    convenience init(_ device: OpenCLDevice, linking parts: [ProgramPart]) throws(BackendError) {
        let context = try device.context()
        var compiled: [CompiledPart] = []
        for part in parts {
            let object = CompiledPart(handle: try Program.handle(device, context, source: part.source))
            var identifier: cl_device_id? = device.identifier.raw
            let raw = object.handle.raw
            let status = part.options.withCString {
                clCompileProgram(raw, 1, &identifier, $0, 0, nil, nil, nil, nil)
            }
            try Program.check(status, "clCompileProgram", raw, device)
            compiled.append(object)
        }
        let raw: OpaquePointer
        do throws(CLError) {
            raw = try create("clLinkProgram") { status in
                var identifier: cl_device_id? = device.identifier.raw
                let objects: [cl_program?] = compiled.map { $0.handle.raw }
                return withExtendedLifetime(compiled) {
                    clLinkProgram(
                        context.handle.raw,
                        1,
                        &identifier,
                        "",
                        cl_uint(objects.count),
                        objects,
                        nil,
                        nil,
                        status
                    )
                }
            }
        } catch {
            throw BackendError(
                Program.buildCode(error.status),
                "\(error)",
                device: device.info.name,
                status: error.status
            )
        }
        let handle = Handle<ProgramKind>(raw)
        // pocl returns a program and no error when linking has failed.
        let status = value(
            raw,
            { clGetProgramBuildInfo($0, device.identifier.raw, $1, $2, $3, $4) },
            CL_PROGRAM_BUILD_STATUS,
            cl_build_status(CL_BUILD_ERROR)
        )
        try Program.check(
            status == CL_BUILD_SUCCESS ? CL_SUCCESS : CL_LINK_PROGRAM_FAILURE,
            "clLinkProgram",
            raw,
            device
        )
        self.init(device, context, handle, origin: .source)
    }
}

private final class CompiledPart {
    let handle: Handle<ProgramKind>

    init(handle: consuming Handle<ProgramKind>) { self.handle = handle }
}
