/// A device failed, or cannot do what is asked of it.
public struct BackendError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of fault was found.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// No device fits the selection.
        case noDevice
        /// The device's compiler rejected a program.
        case buildFailed
        /// Memory ran out; the context stays usable.
        case outOfMemory
        /// One kernel cannot run on the device; other kernels can.
        case kernelUnusable
        /// The context is poisoned: nothing made from it can be used again.
        case deviceLost
        /// A call failed for another reason.
        case callFailed
        /// The device lacks what is asked for.
        case unsupported
        /// The results of a kernel or a device do not agree with the reference.
        case wrongResult
        /// The run was cancelled or its deadline passed.
        case cancelled
    }

    /// What kind of fault it is.
    public var code: Code
    /// What went wrong, in one sentence.
    public var message: String
    /// The device at fault.
    public var device: String?
    /// The kernel at fault.
    public var kernel: String?
    /// What the device's compiler said.
    public var buildLog: String?
    /// The OpenCL status behind the fault, such as -4.
    public var status: Int32?

    /// Makes an error; what is not known stays `nil`.
    public init(
        _ code: Code,
        _ message: String,
        device: String? = nil,
        kernel: String? = nil,
        buildLog: String? = nil,
        status: Int32? = nil
    ) {
        self.code = code
        self.message = message
        self.device = device
        self.kernel = kernel
        self.buildLog = buildLog
        self.status = status
    }

    /// The same error with a device named, unless one is named already.
    public func at(device: String) -> BackendError {
        var error = self
        error.device = error.device ?? device
        return error
    }

    /// The same error with a kernel named, unless one is named already.
    public func at(kernel: String) -> BackendError {
        var error = self
        error.kernel = error.kernel ?? kernel
        return error
    }

    /// Whether the context must be dropped with everything made from it.
    public var poisonsContext: Bool { code == .deviceLost }

    /// Device, kernel, message and build log, without control characters.
    public var description: String {
        var text = device.map { "\($0): " } ?? ""
        text += kernel.map { "kernel \($0): " } ?? ""
        text += message
        if let buildLog, !buildLog.isEmpty { text += "\n" + buildLog }
        return text.map(escaped).joined()
    }

    /// Names come from drivers and models: control characters must not reach a terminal or a log.
    private func escaped(_ character: Character) -> String {
        let isControl = character.unicodeScalars.contains {
            ($0.value < 0x20 && $0.value != 0x0A && $0.value != 0x09) || $0.value == 0x7F
        }
        return isControl
            ? character.unicodeScalars.map { "\\u{\(String($0.value, radix: 16))}" }.joined() : String(character)
    }
}

extension BackendError.Code {
    /// What an OpenCL status means for recovery.
    ///
    /// - Parameter enqueuesKernel: whether the failed call enqueued one kernel, where running out of
    ///   resources condemns the kernel and not the context.
    package init(status: Int32, enqueuesKernel: Bool = false) {
        switch status {
        case -1: self = .noDevice  // CL_DEVICE_NOT_FOUND
        case -1001: self = .noDevice  // CL_PLATFORM_NOT_FOUND_KHR
        case -4, -6, -61: self = .outOfMemory  // MEM_OBJECT_ALLOCATION_FAILURE, OUT_OF_HOST_MEMORY, INVALID_BUFFER_SIZE
        case -11, -15, -17: self = .buildFailed  // BUILD, COMPILE and LINK_PROGRAM_FAILURE
        case -45, -46, -48, -54, -55: self = .kernelUnusable
        case -5: self = enqueuesKernel ? .kernelUnusable : .deviceLost  // OUT_OF_RESOURCES
        case -2, -14, -34, -36: self = .deviceLost
        case ...(-9000): self = .deviceLost  // vendor codes
        default: self = .callFailed
        }
    }
}
