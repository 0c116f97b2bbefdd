import ApusDevice
import Glibc
import Testing

@testable import ApusOpenCL

@Suite struct RefusalTests {
    private let refusal = Refusal(
        operatorType: "Conv",
        variant: "convolution/direct.cl",
        digest: ProgramCache.digest(of: "text"),
        reason: "ragged:\toutput 0\nis wrong"
    )

    @Test func refusalsAreRememberedByDeviceAndDriver() throws {
        let folder = try TemporaryFolder()
        let info = DeviceInfo(name: "one", driverVersion: "1.0", kind: .gpu)
        #expect(ProgramCache(.init(folder: folder.path)).remember([refusal], on: info))

        let cache = ProgramCache(.init(folder: folder.path))
        let found = try #require(cache.refusals(on: info).first)
        #expect(cache.refusals(on: info).count == 1)
        #expect(found.operatorType == "Conv" && found.variant == "convolution/direct.cl")
        #expect(found.digest == refusal.digest && found.reason == "ragged: output 0 is wrong")
        var other = info
        other.driverVersion = "1.1"
        #expect(cache.refusals(on: other).isEmpty)
        cache.remember([], on: info)
        #expect(cache.refusals(on: info).isEmpty)
    }

    @Test func refusalsAreBounded() throws {
        let folder = try TemporaryFolder()
        let info = DeviceInfo(name: "one", kind: .gpu)
        let cache = ProgramCache(.init(folder: folder.path))
        let many = (0..<3000).map { index in
            var item = refusal
            item.operatorType = "Operator\(index)"
            item.reason = String(repeating: "x", count: 10_000)
            return item
        }
        #expect(cache.remember(many, on: info))
        #expect(cache.refusals(on: info).count == 1000)
        #expect(cache.byteCountOnDisk < 1 << 20)
    }

    @Test func spoiledRecordsCountAsNone() throws {
        let folder = try TemporaryFolder()
        let info = DeviceInfo(name: "one", kind: .gpu)
        let cache = ProgramCache(.init(folder: folder.path))
        cache.remember([refusal], on: info)
        let file = "\(folder.path)/\(try #require(names(in: folder.path).first))"
        let whole = contents(of: file)
        for index in stride(from: 0, to: whole.count, by: 7) {
            var bytes = whole
            bytes[index] ^= 0x20
            try write(bytes, to: file)
            #expect(cache.refusals(on: info).isEmpty, "byte \(index)")
        }
        for count in [0, 1, whole.count / 2, whole.count - 1] {
            try write(Array(whole.prefix(count)), to: file)
            #expect(cache.refusals(on: info).isEmpty, "\(count) bytes")
        }
        try write(whole, to: file)
        #expect(cache.refusals(on: info).count == 1)
    }

    @Test func withoutAFolderNothingIsRemembered() {
        let cache = ProgramCache(.init(folder: nil))
        let info = DeviceInfo(name: "one", kind: .gpu)
        #expect(!cache.remember([refusal], on: info))
        #expect(cache.refusals(on: info).isEmpty)
    }
}
