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

    /// What tuning found on a device with its driver and its number of compute units, oldest first; empty where nothing is
    /// stored, or where the record is spoiled.
    package func tunedChoices(on info: DeviceInfo) -> [TunedChoice] {
        tuningRecord(of: info).filter { $0.computeUnits == info.computeUnits }.map(\.tuned)
    }

    /// Replaces what tuning found on a device with its driver and its number of compute units.
    ///
    /// - Parameter choices: oldest first, one a key.
    /// - Returns: whether it was written.
    @discardableResult
    package func remember(tuned choices: [TunedChoice], on info: DeviceInfo) -> Bool {
        let others = tuningRecord(of: info).filter { $0.computeUnits != info.computeUnits }
        return write(others + choices.map { (info.computeUnits, $0) }, of: info)
    }

    /// Removes what tuning found on a device with its driver, for every number of compute units.
    ///
    /// - Returns: how many choices there were; `nil` if they cannot be removed.
    package func forgetTunedChoices(of info: DeviceInfo) -> Int? {
        let count = tuningRecord(of: info).count
        return count == 0 || write([], of: info) ? count : nil
    }

    private typealias TuningRecord = [(computeUnits: Int, tuned: TunedChoice)]

    private func tuningRecord(of info: DeviceInfo) -> TuningRecord {
        guard let folder else { return [] }
        let key = Self.tuningRecordKey(info)
        guard case .bytes(let entry) = folder.read(key), let payload = CacheEntry.decode(entry, key) else { return [] }
        let lines = String(decoding: payload, as: UTF8.self).split(separator: "\n")
        return lines.suffix(Self.maximumChoiceCount).compactMap { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 4, let computeUnits = Int(fields[0]), let key = TuningKey(fields[1]),
                let choice = TuningChoice(fields[2])
            else { return nil }
            return (computeUnits, TunedChoice(key: key, choice: choice, digest: fields[3]))
        }
    }

    private func write(_ record: TuningRecord, of info: DeviceInfo) -> Bool {
        guard let folder else { return false }
        var text = "\n"
        for (computeUnits, tuned) in record.suffix(Self.maximumChoiceCount) {
            text += "\(computeUnits)\t\(tuned.key)\t\(tuned.choice)\t\(tuned.digest)\n"
        }
        let key = Self.tuningRecordKey(info)
        return folder.write(CacheEntry.encode(Array(text.utf8), key), key)
    }

    /// The compute units stand in the record: pocl has as many as it is given threads.
    private static func tuningRecordKey(_ info: DeviceInfo) -> CacheKey {
        var device = info
        device.computeUnits = 0
        return CacheKey(source: "tuned choices", options: "", info: device)
    }
}
