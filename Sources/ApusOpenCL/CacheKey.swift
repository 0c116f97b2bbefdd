import ApusDevice
import Crypto
import Glibc

/// The SHA-256 of everything that decides what a compiler makes of a program.
struct CacheKey: Sendable, Hashable {
    let bytes: [UInt8]

    /// Changes whenever the engine stores programs differently.
    static let formatVersion: UInt32 = 1

    init(source: String, options: String, info: DeviceInfo) {
        self.init([ProgramPart(source: source, options: options)], info: info)
    }

    /// The key of a program that is linked from several parts.
    init(_ parts: [ProgramPart], info: DeviceInfo) {
        var fields = ["\(CacheKey.formatVersion)"] + parts.flatMap { [$0.source, $0.options] }
        fields += [
            info.platformName, info.platformVersion, info.name,
            info.vendor, info.driverVersion, info.openCLVersion, "\(info.computeUnits)", "\(info.computeCapability)",
        ]
        if info.isPocl {
            fields += poclCompilerVariables.map { getenv($0).map { String(cString: $0) } ?? "" }
            fields += info.instructionSets.map(\.rawValue).sorted()
        }
        var hash = SHA256()
        for field in fields {
            var field = field
            field.withUTF8 { text in
                withUnsafeBytes(of: UInt64(text.count).littleEndian) { hash.update(bufferPointer: $0) }
                hash.update(bufferPointer: UnsafeRawBufferPointer(text))
            }
        }
        bytes = Array(hash.finalize())
    }

    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// Settings by which pocl compiles differently.
private let poclCompilerVariables = [
    "POCL_EXTRA_BUILD_FLAGS", "POCL_WORK_GROUP_METHOD", "POCL_MAX_WORK_GROUP_SIZE",
    "POCL_VECTORIZER_FORCE_VECTOR_WIDTH",
    "POCL_FULL_REPLICATION_THRESHOLD", "POCL_DEBUG_LLVM_PASSES",
]

/// A program's binary on disk: header, then payload.
///
/// The header holds a magic of 8 bytes, the format version (UInt32), 4 zero bytes, the key (32 bytes), the payload's
/// size (UInt64) and the SHA-256 of all that and the payload (32 bytes), little-endian.
enum CacheEntry {
    static let headerByteCount = 88
    private static let magic = Array("APUSCLPB".utf8)
    private static let hashedHeaderByteCount = 56

    static func encode(_ payload: [UInt8], _ key: CacheKey) -> [UInt8] {
        let start = header(key, payloadByteCount: payload.count)
        return start + digest(start, payload[...]) + payload
    }

    /// The payload of an entry; `nil` unless the entry is whole and made for this key by this format version.
    static func decode(_ entry: [UInt8], _ key: CacheKey) -> ArraySlice<UInt8>? {
        guard entry.count > headerByteCount else { return nil }
        let payload = entry[headerByteCount...]
        let start = header(key, payloadByteCount: payload.count)
        guard entry.starts(with: start),
            entry[hashedHeaderByteCount..<headerByteCount].elementsEqual(digest(start, payload))
        else { return nil }
        return payload
    }

    private static func header(_ key: CacheKey, payloadByteCount: Int) -> [UInt8] {
        var header = magic
        withUnsafeBytes(of: UInt64(CacheKey.formatVersion).littleEndian) { header += $0 }
        header += key.bytes
        withUnsafeBytes(of: UInt64(payloadByteCount).littleEndian) { header += $0 }
        return header
    }

    private static func digest(_ header: [UInt8], _ payload: ArraySlice<UInt8>) -> [UInt8] {
        var hash = SHA256()
        header.withUnsafeBytes { hash.update(bufferPointer: $0) }
        payload.withUnsafeBytes { hash.update(bufferPointer: $0) }
        return Array(hash.finalize())
    }
}
