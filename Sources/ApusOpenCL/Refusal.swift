package import ApusDevice
import Crypto

/// A kernel that a device is not trusted with, as it failed there.
package struct Refusal: Sendable, Hashable, Codable {
    package var operatorType: String
    /// The kernel file, or the name of a generated kernel.
    package var variant: String
    /// Stands for the kernel's text: a refusal ends with the text that it was found in.
    package var digest: String
    package var reason: String

    package init(operatorType: String, variant: String, digest: String, reason: String) {
        self.operatorType = operatorType
        self.variant = variant
        self.digest = digest
        self.reason = reason
    }
}

extension ProgramCache {
    /// The most refusals that are kept of one device.
    private static let maximumRefusalCount = 1000
    private static let maximumReasonLength = 200

    /// What is remembered of a device and its driver; empty where nothing is, or where the record is spoiled.
    package func refusals(on info: DeviceInfo) -> [Refusal] {
        guard let folder else { return [] }
        let key = Self.refusalKey(info)
        guard case .bytes(let entry) = folder.read(key), let payload = CacheEntry.decode(entry, key) else { return [] }
        let lines = String(decoding: payload, as: UTF8.self).split(separator: "\n")
        return lines.prefix(Self.maximumRefusalCount).compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 4 else { return nil }
            return Refusal(operatorType: fields[0], variant: fields[1], digest: fields[2], reason: fields[3])
        }
    }

    /// Replaces what is remembered of a device and its driver.
    ///
    /// - Returns: whether it was written.
    @discardableResult
    package func remember(_ refusals: [Refusal], on info: DeviceInfo) -> Bool {
        guard let folder else { return false }
        func field(_ text: String) -> String {
            String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 }.prefix(Self.maximumReasonLength))
        }
        var text = "\n"
        for refusal in refusals.prefix(Self.maximumRefusalCount) {
            let fields = [refusal.operatorType, refusal.variant, refusal.digest, refusal.reason]
            text += fields.map(field).joined(separator: "\t") + "\n"
        }
        let key = Self.refusalKey(info)
        return folder.write(CacheEntry.encode(Array(text.utf8), key), key)
    }

    /// The SHA-256 of a text in hexadecimal.
    package static func digest(of text: String) -> String {
        var hash = SHA256()
        var text = text
        text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        return hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    private static func refusalKey(_ info: DeviceInfo) -> CacheKey {
        CacheKey(source: "refused kernels", options: "", info: info)
    }
}
