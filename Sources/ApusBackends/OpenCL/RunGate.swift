import ApusDevice
import ApusOpenCL
import Glibc

/// Lets runs of one device pass together, and now and then one caller alone.
///
/// pocl 3.1 aborts the process when a program's binary is queried while kernels run, hence one gate for all its devices.
final class RunGate: @unchecked Sendable {
    private static let pocl = RunGate()
    private static let gates = OpenCLDevice.all.map { $0.info.isPocl ? pocl : RunGate() }

    /// The gate of a device.
    static func gate(of device: OpenCLDevice) -> RunGate { gates[device.index] }

    private let lock = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)

    private init() {
        var attributes = pthread_rwlockattr_t()
        pthread_rwlockattr_init(&attributes)
        pthread_rwlockattr_setkind_np(&attributes, Int32(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP))
        pthread_rwlock_init(lock, &attributes)
        pthread_rwlockattr_destroy(&attributes)
    }

    /// Runs a closure together with others that share.
    func sharing<Result>(_ body: () throws -> Result) rethrows -> Result {
        pthread_rwlock_rdlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        return try body()
    }

    /// Runs a closure when no other one runs.
    func excluding<Result>(_ body: () throws -> Result) rethrows -> Result {
        pthread_rwlock_wrlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        return try body()
    }
}
