import ApusDevice
import Glibc
import Synchronization
import Testing

@testable import ApusOpenCL

@Suite struct ProgramCacheTests {
    /// What was done to an entry on disk.
    enum Damage: String, CaseIterable {
        case empty, halfHeader, onlyHeader, lastByteMissing, byteAppended
        case magicFlipped, versionFlipped, keyFlipped, sizeFlipped, hashFlipped
        case firstPayloadByteFlipped, middlePayloadByteFlipped, lastPayloadByteFlipped
        case garbageWithRightHash, truncatedBinaryWithRightHash, otherKeyWithRightHash
        case writableByOthers, symbolicLink, folderInstead, pipeInstead
    }

    @Test func linkedProgramsAreStored() throws {
        let device = try testDevice()
        let folder = try TemporaryFolder()
        let parts = [
            ProgramPart(
                source: "static float own(float x) { return x * 3.0f; } float triple(float x) { return own(x); }",
                options: "-cl-std=CL1.2"
            ),
            ProgramPart(
                source: """
                    float triple(float x);
                    static float own(float x) { return x + FACTOR; }
                    __kernel void scale(__global const float *x, __global float *y, int offset, float bias) {
                        const int i = get_global_id(0);
                        y[offset + i] = own(triple(x[offset + i])) + bias;
                    }
                    """,
                options: "-cl-std=CL1.2 -DFACTOR=0"
            ),
        ]
        let first = ProgramCache(.init(folder: folder.path))
        try expectScales(try first.program(parts: parts, on: device), by: 3)
        first.storePending()
        #expect(first.statistics.stores == 1)
        let second = ProgramCache(.init(folder: folder.path))
        let program = try second.program(parts: parts, on: device)
        #expect(program.origin == .binary)
        try expectScales(program, by: 3)
    }

    @Test func aPartThatIsMissingIsABuildFailure() throws {
        let device = try testDevice()
        let cache = ProgramCache(.init(folder: nil))
        let source = "float absent(float x); __kernel void scale(__global float *v) { v[0] = absent(v[0]); }"
        let broken = ProgramPart(source: "float absent(float x) { return y; }", options: "")
        let user = ProgramPart(source: source, options: "")
        let error = #expect(throws: BackendError.self) { try cache.program(parts: [user, broken], on: device) }
        #expect(error?.code == .buildFailed && error?.buildLog?.contains("y") == true, "\(String(describing: error))")
        let twice = ProgramPart(source: "float absent(float x) { return x; }", options: "")
        let clash = #expect(throws: BackendError.self) { try cache.program(parts: [user, twice, twice], on: device) }
        #expect(clash?.code == .buildFailed, "\(String(describing: clash))")
    }

    @Test(arguments: Damage.allCases)
    func spoiledEntriesAreRebuilt(_ damage: Damage) throws {
        let device = try testDevice()
        let folder = try TemporaryFolder()
        let source = scaleSource(7)
        let first = ProgramCache(.init(folder: folder.path))
        _ = try first.program(source: source, on: device)
        first.storePending()
        #expect(first.statistics.stores == 1)
        let name = try #require(names(in: folder.path).first)
        try spoil("\(folder.path)/\(name)", damage, CacheKey(source: source, options: "", info: device.info))

        let second = ProgramCache(.init(folder: folder.path))
        let program = try second.program(source: source, on: device)
        #expect(program.origin == .source)
        #expect(second.statistics.rejected == 1)
        #expect(second.statistics.hits == 0)
        #expect(second.statistics.sourceBuilds == 1)
        try expectScales(program, by: 7)
        second.storePending()

        let isReplaceable = damage != .folderInstead
        #expect(second.statistics.stores == (isReplaceable ? 1 : 0))
        #expect(second.statistics.storeFailures == (isReplaceable ? 0 : 1))
        if isReplaceable {
            let third = ProgramCache(.init(folder: folder.path))
            #expect(try third.program(source: source, on: device).origin == .binary)
            #expect(third.statistics.rejected == 0)
        } else {
            rmdir("\(folder.path)/\(name)")
        }
        unlink("/tmp/\(name)")
    }

    private func spoil(_ file: String, _ damage: Damage, _ key: CacheKey) throws {
        let entry = contents(of: file)
        let header = CacheEntry.headerByteCount
        let payload = try #require(CacheEntry.decode(entry, key))
        func flipped(_ index: Int) -> [UInt8] {
            var bytes = entry
            bytes[index] ^= 0x10
            return bytes
        }
        let bytes: [UInt8]
        switch damage {
        case .empty: bytes = []
        case .halfHeader: bytes = Array(entry.prefix(header / 2))
        case .onlyHeader: bytes = Array(entry.prefix(header))
        case .lastByteMissing: bytes = entry.dropLast()
        case .byteAppended: bytes = entry + [0]
        case .magicFlipped: bytes = flipped(0)
        case .versionFlipped: bytes = flipped(8)
        case .keyFlipped: bytes = flipped(20)
        case .sizeFlipped: bytes = flipped(48)
        case .hashFlipped: bytes = flipped(60)
        case .firstPayloadByteFlipped: bytes = flipped(header)
        case .middlePayloadByteFlipped: bytes = flipped((header + entry.count) / 2)
        case .lastPayloadByteFlipped: bytes = flipped(entry.count - 1)
        case .garbageWithRightHash:
            bytes = CacheEntry.encode((0..<999).map { UInt8(truncatingIfNeeded: $0 &* 37) }, key)
        case .truncatedBinaryWithRightHash: bytes = CacheEntry.encode(Array(payload.prefix(5)), key)
        case .otherKeyWithRightHash:
            bytes = CacheEntry.encode(
                Array(payload),
                CacheKey(source: "other", options: "", info: DeviceInfo(name: "other", kind: .cpu))
            )
        case .writableByOthers:
            chmod(file, 0o666)
            return
        case .symbolicLink:
            let target = "/tmp/" + (file.split(separator: "/").last.map(String.init) ?? "")
            try write(entry, to: target)
            unlink(file)
            #expect(symlink(target, file) == 0)
            return
        case .folderInstead:
            unlink(file)
            #expect(mkdir(file, 0o700) == 0)
            return
        case .pipeInstead:
            unlink(file)
            #expect(mkfifo(file, 0o600) == 0)
            return
        }
        try write(bytes, to: file)
    }

    @Test func entriesAreReusedAndPrivate() throws {
        let device = try testDevice()
        let parent = try TemporaryFolder()
        let folder = parent.path + "/made"
        let first = ProgramCache(.init(folder: folder))
        let built = try first.program(source: scaleSource(5), options: "-cl-std=CL1.2", on: device)
        #expect(try first.program(source: scaleSource(5), options: "-cl-std=CL1.2", on: device) === built)
        #expect(first.statistics.memoryHits == 1)
        #expect(first.statistics.misses == 1)
        #expect(first.statistics.sourceBuilds == 1)
        first.storePending()
        first.storePending()
        #expect(first.statistics.stores == 1)
        #expect(first.statistics.bytesWritten > 0)

        var status = stat()
        #expect(stat(folder, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        let file = try #require(names(in: folder).first)
        #expect(names(in: folder).count == 1)
        #expect(stat("\(folder)/\(file)", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        #expect(first.byteCountOnDisk == Int(status.st_size))

        let second = ProgramCache(.init(folder: folder))
        let loaded = try second.program(source: scaleSource(5), options: "-cl-std=CL1.2", on: device)
        #expect(loaded.origin == .binary)
        #expect(loaded.kernelNames == built.kernelNames)
        #expect(second.statistics.hits == 1)
        #expect(second.statistics.sourceBuilds == 0)
        #expect(second.statistics.bytesRead == first.statistics.bytesWritten)
        try expectScales(loaded, by: 5)
        for name in names(in: folder) { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    /// A change of what the key is made of.
    static let changes: [@Sendable (inout DeviceInfo) -> Void] = [
        { $0.driverVersion += "1" }, { $0.platformName += "1" }, { $0.platformVersion += "1" }, { $0.name += "1" },
        { $0.openCLVersion += "1" },
    ]

    @Test(arguments: changes.indices)
    func otherDriversHaveOtherEntries(_ change: Int) throws {
        let device = try testDevice()
        let folder = try TemporaryFolder()
        let source = scaleSource(6)
        var other = device.info
        Self.changes[change](&other)
        let foreign = ProgramCache(.init(folder: folder.path))
        _ = try foreign.program(source: source, options: "", on: device, as: other)
        foreign.storePending()
        let cache = ProgramCache(.init(folder: folder.path))
        #expect(try cache.program(source: source, on: device).origin == .source)
        cache.storePending()
        #expect(cache.statistics.misses == 1)
        #expect(names(in: folder.path).count == 2)

        let foreignKey = CacheKey(source: source, options: "", info: other).hexadecimal
        let ownKey = CacheKey(source: source, options: "", info: device.info).hexadecimal
        rename("\(folder.path)/\(foreignKey).clbin", "\(folder.path)/\(ownKey).clbin")
        let tricked = ProgramCache(.init(folder: folder.path))
        #expect(try tricked.program(source: source, on: device).origin == .source)
        #expect(tricked.statistics.rejected == 1)
    }

    @Test func keysDependOnEveryPart() {
        let info = DeviceInfo(name: "d", kind: .cpu)
        let key = CacheKey(source: "ab", options: "c", info: info)
        #expect(key == CacheKey(source: "ab", options: "c", info: info))
        #expect(key != CacheKey(source: "a", options: "bc", info: info))
        #expect(key != CacheKey(source: "ab", options: "d", info: info))
        #expect(key.hexadecimal.utf8.count == 64)
    }

    @Test(arguments: ["file", "below file", "/proc/apus", "world-writable", "other owner", "not a folder of mine"])
    func unusableFoldersOnlyCost(_ kind: String) throws {
        let device = try testDevice()
        let parent = try TemporaryFolder()
        var folder = parent.path
        switch kind {
        case "file", "below file":
            try write([1], to: parent.path + "/file")
            folder += kind == "file" ? "/file" : "/file/below"
        case "/proc/apus": folder = kind
        case "world-writable": chmod(folder, 0o777)
        case "other owner":
            try #require(geteuid() == 0 || chown(folder, 1, 1) != 0)
            if chown(folder, 1, 1) != 0 { return }
        default: folder = "/dev/null"
        }
        let cache = ProgramCache(.init(folder: folder))
        for factor in [8, 9] {
            let program = try cache.program(source: scaleSource(factor), on: device)
            try expectScales(program, by: factor)
        }
        cache.storePending()
        #expect(cache.statistics.sourceBuilds == 2)
        #expect(cache.statistics.storeFailures == 2)
        #expect(cache.statistics.stores == 0)
        #expect(cache.statistics.hits == 0)
        #expect(cache.statistics.rejected + cache.statistics.misses == 2)
        chown(parent.path, geteuid(), getegid())
    }

    @Test func withoutAFolderNothingIsStored() throws {
        let cache = ProgramCache(.init(folder: nil))
        let program = try cache.program(source: scaleSource(4), on: try testDevice())
        try expectScales(program, by: 4)
        cache.storePending()
        #expect(cache.statistics == ProgramCacheStatistics(sourceBuilds: 1))
    }

    @Test func theLeastRecentlyUsedGoFirst() throws {
        let folder = try TemporaryFolder()
        let files = CacheFolder(path: folder.path, maximumByteCount: 1000)
        let info = DeviceInfo(name: "d", kind: .cpu)
        let keys = (0..<5).map { CacheKey(source: "\($0)", options: "", info: info) }
        try write([1, 2, 3], to: folder.path + "/of-the-user")
        let stale = "\(folder.path)/\(keys[4].hexadecimal).clbin.tmp-1"
        try write([1], to: stale)
        var old = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 0)]
        utimensat(AT_FDCWD, stale, &old, 0)
        for key in keys[..<3] {
            #expect(files.write([UInt8](repeating: 1, count: 300), key))
            usleep(20_000)
        }
        #expect(files.byteCount == 900)
        guard case .bytes = files.read(keys[0]) else {
            Issue.record("the first entry is gone")
            return
        }
        usleep(20_000)
        #expect(files.write([UInt8](repeating: 1, count: 300), keys[3]))
        #expect(files.byteCount == 900)
        guard case .absent = files.read(keys[1]), case .bytes = files.read(keys[0]) else {
            Issue.record("the wrong entry was evicted")
            return
        }
        #expect(!files.write([UInt8](repeating: 1, count: 1001), keys[4]))
        #expect(names(in: folder.path).contains("of-the-user"))
        #expect(!names(in: folder.path).contains { $0.contains(".tmp-") })
    }

    @Test func binariesOfPoclHoldWhatHasRun() throws {
        let device = try testDevice()
        let folder = try TemporaryFolder()
        let idle = ProgramCache(.init(folder: folder.path))
        _ = try idle.program(source: scaleSource(21), options: "-DIDLE", on: device)
        idle.storePending()
        let busy = ProgramCache(.init(folder: folder.path))
        try expectScales(try busy.program(source: scaleSource(21), options: "-DBUSY", on: device), by: 21)
        #expect(busy.statistics.stores == (device.info.isPocl ? 0 : 1))
        busy.storePending()
        #expect(busy.statistics.stores == 1)
        if device.info.isPocl { #expect(busy.statistics.bytesWritten > idle.statistics.bytesWritten) }
    }

    @Test func aCacheStoresWhatIsPendingWhenItGoes() throws {
        let folder = try TemporaryFolder()
        _ = try ProgramCache(.init(folder: folder.path)).program(source: scaleSource(22), on: try testDevice())
        #expect(names(in: folder.path).count == 1)
    }

    @Test func failedBuildsAreNotStored() throws {
        let folder = try TemporaryFolder()
        let cache = ProgramCache(.init(folder: folder.path))
        let device = try testDevice()
        for _ in 0..<2 {
            let error = #expect(throws: BackendError.self) { try cache.program(source: "broken", on: device) }
            #expect(error?.code == .buildFailed)
        }
        #expect(names(in: folder.path).isEmpty)
        #expect(cache.statistics.sourceBuilds == 0)
    }

    @Test func manyCachesShareAFolder() throws {
        let device = try testDevice()
        let folder = try TemporaryFolder()
        let path = folder.path
        let failures = Mutex<[String]>([])
        onThreads(16) { thread in
            do {
                let cache = ProgramCache(.init(folder: path))
                let program = try cache.program(source: scaleSource(40 + thread % 2), on: device)
                try expectScales(program, by: 40 + thread % 2)
                cache.storePending()
                if cache.statistics.rejected > 0 { failures.withLock { $0.append("rejected") } }
            } catch {
                failures.withLock { $0.append("\(error)") }
            }
        }
        #expect(failures.withLock { $0 } == [])
        #expect(names(in: path).count == 2)
    }
}
