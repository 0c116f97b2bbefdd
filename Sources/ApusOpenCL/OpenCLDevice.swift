package import ApusDevice
import COpenCL
import Synchronization

/// The bytes of a device's buffers.
package struct MemoryStatistics: Sendable, Hashable {
    /// Bytes of the buffers that exist now.
    package var liveBytes = 0
    /// The largest value that `liveBytes` had.
    package var peakBytes = 0
    /// Buffers that exist now.
    package var liveBuffers = 0
}

/// One OpenCL device with its own context, which is made when it is first needed.
///
/// All members may be used from any thread.
package final class OpenCLDevice: Sendable {
    package let info: DeviceInfo
    /// The device's place in `OpenCLDevice.all`, which `opencl:N` counts.
    package let index: Int
    let identifier: DeviceIdentifier
    private let current = Mutex(CurrentContext())
    private let memory = Mutex(MemoryStatistics())

    /// All devices, in the order that `opencl:N` counts; empty without a driver.
    package static var all: [OpenCLDevice] { Discovery.shared.devices }

    init(_ info: DeviceInfo, index: Int, identifier: OpaquePointer) {
        self.info = info
        self.index = index
        self.identifier = DeviceIdentifier(raw: identifier)
    }

    /// The bytes of the device's buffers, in all its contexts.
    package var memoryStatistics: MemoryStatistics { memory.withLock { $0 } }

    /// Makes the peak equal to what is live now.
    package func resetPeakMemory() {
        memory.withLock { $0.peakBytes = $0.liveBytes }
    }

    /// How often the context was dropped. What was made under another generation cannot be used with what is made now.
    package var contextGeneration: Int { current.withLock { $0.generation } }

    /// Drops the context: later buffers, queues and programs belong to a new one.
    ///
    /// After `BackendError.Code.deviceLost` everything made before must be dropped as well.
    ///
    /// - Parameter generation: that of the context to drop; nothing happens if it was dropped already. `nil` for the
    ///   present one.
    package func resetContext(generation: Int? = nil) {
        let old = current.withLock { current -> Context? in
            guard generation == nil || generation == current.generation else { return nil }
            let old = current.context
            current.context = nil
            current.generation += 1
            return old
        }
        _ = consume old
    }

    /// The context of everything that is made now.
    func context() throws(BackendError) -> Context {
        try current.withLock { current throws(BackendError) in
            if let context = current.context { return context }
            do throws(CLError) {
                let made = try Context(identifier)
                current.context = made
                return made
            } catch {
                throw BackendError(error, device: info.name)
            }
        }
    }

    func countAllocation(_ byteCount: Int) {
        memory.withLock {
            $0.liveBytes += byteCount
            $0.liveBuffers += 1
            $0.peakBytes = max($0.peakBytes, $0.liveBytes)
        }
    }

    func countRelease(_ byteCount: Int) {
        memory.withLock {
            $0.liveBytes -= byteCount
            $0.liveBuffers -= 1
        }
    }

    func check(_ status: cl_int, _ call: String) throws(BackendError) {
        guard status == CL_SUCCESS else { throw BackendError(CLError(status, call), device: info.name) }
    }
}

private struct CurrentContext: Sendable {
    var context: Context?
    var generation = 0
}

/// A driver's device; never released, as root devices are not counted.
struct DeviceIdentifier: @unchecked Sendable {
    let raw: OpaquePointer
}

/// An OpenCL context of one device.
final class Context: Sendable {
    let handle: Handle<ContextKind>

    init(_ device: DeviceIdentifier) throws(CLError) {
        handle = Handle(
            try create("clCreateContext") { status in
                var identifier: cl_device_id? = device.raw
                return clCreateContext(nil, 1, &identifier, nil, nil, status)
            }
        )
    }
}
