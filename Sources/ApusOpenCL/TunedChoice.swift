package import ApusDevice

/// A variant that measurement preferred on a device.
package struct TunedChoice: Sendable, Hashable {
    package var key: TuningKey
    package var choice: TuningChoice
    /// Stands for the text of the kernels that were measured: a choice ends with that text.
    package var digest: String

    package init(key: TuningKey, choice: TuningChoice, digest: String) {
        self.key = key
        self.choice = choice
        self.digest = digest
    }
}

extension ProgramCache {
    /// The most choices that are kept of one device; the oldest go first.
    private static let maximumChoiceCount = 10_000

    /// What tuning found on a device with its driver, oldest first; empty where nothing is stored, or where the record is
    /// spoiled.
    package func tunedChoices(on info: DeviceInfo) -> [TunedChoice] {
        guard let folder else { return [] }
        let key = Self.tuningRecordKey(info)
        guard case .bytes(let entry) = folder.read(key), let payload = CacheEntry.decode(entry, key) else { return [] }
        let lines = String(decoding: payload, as: UTF8.self).split(separator: "\n")
        return lines.suffix(Self.maximumChoiceCount).compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 3, let key = TuningKey(fields[0]), let choice = TuningChoice(fields[1]) else {
                return nil
            }
            return TunedChoice(key: key, choice: choice, digest: fields[2])
        }
    }

    /// Replaces what tuning found on a device with its driver.
    ///
    /// - Parameter choices: oldest first, one a key.
    /// - Returns: whether it was written.
    @discardableResult
    package func remember(tuned choices: [TunedChoice], on info: DeviceInfo) -> Bool {
        guard let folder else { return false }
        var text = "\n"
        for tuned in choices.suffix(Self.maximumChoiceCount) {
            text += "\(tuned.key)\t\(tuned.choice)\t\(tuned.digest)\n"
        }
        let key = Self.tuningRecordKey(info)
        return folder.write(CacheEntry.encode(Array(text.utf8), key), key)
    }

    private static func tuningRecordKey(_ info: DeviceInfo) -> CacheKey {
        CacheKey(source: "tuned choices", options: "", info: info)
    }
}
