package import ApusDevice
import COpenCL
import Glibc
import Synchronization

/// What happened in a program cache since it was made.
package struct ProgramCacheStatistics: Sendable, Hashable {
    /// Programs that were in memory already.
    package var memoryHits = 0
    /// Programs loaded from disk.
    package var hits = 0
    /// Programs that were not on disk.
    package var misses = 0
    /// Programs written to disk.
    package var stores = 0
    /// Programs that could not be written.
    package var storeFailures = 0
    /// Entries on disk that were spoiled, made by others or refused by the driver.
    package var rejected = 0
    /// Bytes of binaries loaded from disk.
    package var bytesRead = 0
    /// Bytes of binaries written to disk.
    package var bytesWritten = 0
    /// Programs compiled from source.
    package var sourceBuilds = 0
}

/// Programs by source, options and device: in memory, and as binaries on disk.
///
/// Any fault of the disk cache leads to a build from source and is only counted. All members may be used from any
/// thread; a program that two threads ask for at once is built once. On pocl a binary holds the machine code of the
/// work-group sizes that have run by then, hence `storePending()`.
package final class ProgramCache: Sendable {
    /// Where and how much a cache stores.
    package struct Configuration: Sendable, Hashable {
        /// The folder of the binaries; `nil` stores none.
        package var folder: String?
        /// The bound on the bytes of all entries; the least recently used go first.
        package var maximumByteCount: Int

        package init(folder: String?, maximumByteCount: Int = 512 << 20) {
            self.folder = folder
            self.maximumByteCount = maximumByteCount
        }

        /// `APUS_CACHE_DIR`, else `$XDG_CACHE_HOME/apus`, else `~/.cache/apus`; none with `APUS_CACHE=0`.
        package static func fromEnvironment() -> Configuration {
            func variable(_ name: String) -> String? {
                getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
            }
            if variable("APUS_CACHE") == "0" { return Configuration(folder: nil) }
            if let folder = variable("APUS_CACHE_DIR") { return Configuration(folder: folder) }
            if let caches = variable("XDG_CACHE_HOME"), caches.hasPrefix("/") {
                return Configuration(folder: caches + "/apus")
            }
            return Configuration(folder: variable("HOME").map { $0 + "/.cache/apus" })
        }
    }

    /// The cache that the whole process shares, configured by the environment.
    package static let shared = ProgramCache(.fromEnvironment())

    /// Changes whenever the engine stores programs, or generates them, differently.
    package static var formatVersion: Int { Int(CacheKey.formatVersion) }

    package let configuration: Configuration
    let folder: CacheFolder?
    private let slots = Mutex<[SlotKey: Slot]>([:])
    private let pending = Mutex<[Pending]>([])
    private let counts = Mutex(ProgramCacheStatistics())

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        folder = configuration.folder.map { CacheFolder(path: $0, maximumByteCount: configuration.maximumByteCount) }
    }

    deinit { storePending() }

    package var statistics: ProgramCacheStatistics { counts.withLock { $0 } }

    /// The bytes of all entries on disk.
    package var byteCountOnDisk: Int { folder?.byteCount ?? 0 }

    /// Returns the program of a source, built at most once for a device's context.
    ///
    /// - Parameter source: OpenCL C with its `#include` directives resolved.
    /// - Throws: `BackendError` with code `buildFailed` and the compiler's log.
    package func program(
        source: String,
        options: String = "",
        on device: OpenCLDevice
    ) throws(BackendError) -> Program {
        try program(source: source, options: options, on: device, as: device.info)
    }

    /// - Parameter info: the facts that enter the key.
    func program(
        source: String,
        options: String,
        on device: OpenCLDevice,
        as info: DeviceInfo
    ) throws(BackendError) -> Program {
        try program([ProgramPart(source: source, options: options)], on: device, as: info)
    }

    /// Returns the program of several parts, compiled each by itself and linked, at most once for a device's context.
    ///
    /// - Throws: `BackendError` with code `buildFailed` and the compiler's or the linker's log.
    package func program(parts: [ProgramPart], on device: OpenCLDevice) throws(BackendError) -> Program {
        try program(parts, on: device, as: device.info)
    }

    private func program(
        _ parts: [ProgramPart],
        on device: OpenCLDevice,
        as info: DeviceInfo
    ) throws(BackendError) -> Program {
        let key = CacheKey(parts, info: info)
        let slot = slots.withLock { slots in
            let slotKey = SlotKey(device: ObjectIdentifier(device), key: key)
            if let slot = slots[slotKey] { return slot }
            let slot = Slot()
            slots[slotKey] = slot
            return slot
        }
        let context = try device.context()
        return try slot.program.withLock { cached throws(BackendError) in
            if let cached, cached.context === context {
                counts.withLock { $0.memoryHits += 1 }
                return cached
            }
            if let program = load(key, parts.count == 1 ? parts[0].options : "", device) {
                cached = program
                return program
            }
            let program = try build(key, parts, device)
            cached = program
            return program
        }
    }

    /// Writes the binaries of programs that were built from source and not written at once.
    ///
    /// To be called when their kernels have run with the sizes to come; takes a fifth of the time of their builds.
    package func storePending() {
        let programs = pending.withLock { pending in
            let programs = pending
            pending.removeAll()
            return programs
        }
        for item in programs { store(item.program, item.key) }
    }

    /// Forgets the programs in memory; those in use live on.
    package func removeAllInMemory() {
        slots.withLock { $0.removeAll() }
    }

    /// Loads from disk.
    private func load(_ key: CacheKey, _ options: String, _ device: OpenCLDevice) -> Program? {
        guard let folder else { return nil }
        switch folder.read(key) {
        case .absent:
            counts.withLock { $0.misses += 1 }
            return nil
        case .unusable: break
        case .bytes(let entry):
            guard let binary = CacheEntry.decode(entry, key) else { break }
            do throws(BackendError) {
                let program = try Program(device, binary: binary, options: options)
                guard !program.kernelNames.isEmpty else { break }
                counts.withLock {
                    $0.hits += 1
                    $0.bytesRead += binary.count
                }
                return program
            } catch {
                break
            }
        }
        counts.withLock { $0.rejected += 1 }
        return nil
    }

    private func build(
        _ key: CacheKey,
        _ parts: [ProgramPart],
        _ device: OpenCLDevice
    ) throws(BackendError) -> Program {
        let program =
            parts.count == 1
            ? try Program(device, source: parts[0].source, options: parts[0].options)
            : try Program(device, linking: parts)
        counts.withLock { $0.sourceBuilds += 1 }
        guard folder != nil else { return program }
        if device.info.isPocl {
            pending.withLock { $0.append(Pending(program: program, key: key)) }
        } else {
            store(program, key)
        }
        return program
    }

    /// Some drivers have a binary only when kernels were made from the program.
    private func store(_ program: Program, _ key: CacheKey) {
        guard let folder else { return }
        var isStored = false
        var byteCount = 0
        do throws(BackendError) {
            for name in program.kernelNames { _ = try program.makeKernel(name) }
            let binary = try program.binary()
            byteCount = binary.count
            isStored = folder.write(CacheEntry.encode(binary, key), key)
        } catch {}
        counts.withLock {
            if isStored {
                $0.stores += 1
                $0.bytesWritten += byteCount
            } else {
                $0.storeFailures += 1
            }
        }
    }

    private struct SlotKey: Hashable, Sendable {
        let device: ObjectIdentifier
        let key: CacheKey
    }

    private struct Pending: Sendable {
        let program: Program
        let key: CacheKey
    }

    /// Serialises the threads that want one program.
    private final class Slot: Sendable {
        let program = Mutex<Program?>(nil)
    }
}
