import Apus
import ApusOpenCL
import ApusTensor
import Foundation
import Testing

/// Runs the demo network with the programs of a folder and judges the answer.
private func run(_ folder: String?) throws -> ProgramCacheStatistics {
    let digits = try Digits()
    let cache = ProgramCache(.init(folder: folder))
    // Launches apart have a program for every kernel.
    let options = Session.Options(device: .openCL(0), disabledPasses: ["persistent"])
    let session = try Session(digits.model, options: options, observesValues: false, cache: cache)
    let found = try session.answer(digits.input(12))
    #expect(try classes(found) == digits.labels.prefix(12).map { Int($0) })
    cache.storePending()
    return cache.statistics
}

/// A folder that a run has filled.
private func filledFolder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let statistics = try run(folder.path)
    #expect(statistics.sourceBuilds > 0)
    #expect(statistics.stores == statistics.sourceBuilds)
    #expect(folder.files.count >= statistics.stores)
    return folder
}

private enum Damage: String, CaseIterable {
    case empty, half, oneByte, flippedHeader, flippedMiddle, flippedEnd, longer, zeros, swapped

    func applied(_ index: Int, _ contents: [Data]) -> Data {
        var bytes = Array(contents[index])
        switch self {
        case .empty: bytes = []
        case .half: bytes = Array(bytes[..<(bytes.count / 2)])
        case .oneByte: bytes = [bytes[0]]
        case .flippedHeader: bytes[0] ^= 1
        case .flippedMiddle: bytes[bytes.count / 2] ^= 0x10
        case .flippedEnd: bytes[bytes.count - 1] ^= 0x80
        case .longer: bytes += [0]
        case .zeros: bytes = [UInt8](repeating: 0, count: bytes.count)
        case .swapped: bytes = Array(contents[(index + 1) % contents.count])
        }
        return Data(bytes)
    }
}

/// Inference with a program cache on disk that is spoiled in every way.
///
/// Each test is a process of its own: pocl 3.1 aborts when a binary is queried while kernels of other tests run.
@Suite(.serialized) struct SessionProgramCacheTests {
    @Test func aSecondCacheBuildsNothing() async {
        await #expect(processExitsWith: .success) {
            let folder = try filledFolder()
            let statistics = try run(folder.path)
            #expect(statistics.sourceBuilds == 0)
            #expect(statistics.misses == 0)
            #expect(statistics.hits > 0)
        }
    }

    @Test func spoiledEntriesAreBuiltAnew() async {
        await #expect(processExitsWith: .success) {
            let folder = try filledFolder()
            let paths = folder.files.map { "\(folder.path)/\($0)" }
            let contents = try paths.map { try Data(contentsOf: URL(filePath: $0)) }
            #expect(paths.count >= Damage.allCases.count)
            for (index, path) in paths.enumerated() where !contents[index].isEmpty {
                let damage = Damage.allCases[index % Damage.allCases.count]
                try damage.applied(index, contents).write(to: URL(filePath: path))
            }
            let statistics = try run(folder.path)
            #expect(statistics.hits == 0, "\(statistics)")
            #expect(statistics.rejected == statistics.sourceBuilds, "\(statistics)")
            let repaired = try run(folder.path)
            #expect(repaired.sourceBuilds == 0, "\(repaired)")
        }
    }

    @Test func aFolderThatCannotBeMadeOnlyCosts() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            try Data([1]).write(to: URL(filePath: folder.path + "/file"))
            for path in [folder.path + "/file/cache", "/proc/apus"] {
                let statistics = try run(path)
                #expect(statistics.sourceBuilds > 0)
                #expect(statistics.stores == 0, "\(path)")
            }
        }
    }

    @Test func entriesThatAreFoldersOnlyCost() async {
        await #expect(processExitsWith: .success) {
            let folder = try filledFolder()
            for file in folder.files {
                let path = "\(folder.path)/\(file)"
                try FileManager.default.removeItem(atPath: path)
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            #expect(try run(folder.path).sourceBuilds > 0)
        }
    }

    @Test func withoutAFolderEverythingIsBuilt() async {
        await #expect(processExitsWith: .success) {
            let statistics = try run(nil)
            #expect(statistics.sourceBuilds > 0)
            #expect(statistics.hits == 0 && statistics.stores == 0)
        }
    }
}
