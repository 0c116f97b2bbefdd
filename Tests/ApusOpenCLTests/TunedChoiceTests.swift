import ApusDevice
import ApusTensor
import Testing

@testable import ApusOpenCL

@Suite struct TunedChoiceTests {
    private static let convolution = TuningKey.Convolution(
        kernel: [1, 3, 5],
        strides: [1, 2, 1],
        dilations: [1, 1, 3],
        extents: [1, 56, 28],
        groups: 2,
        groupInputs: 64,
        groupOutputs: 96,
        storage: .bfloat16,
        winogradTile: 4
    )
    private static let keys: [TuningKey] = [
        .convolution(convolution), .depthwise(convolution),
        .matrixProduct(.init(columns: 768, depth: 3072, packsRows: true, sharesColumns: false, storage: .float16)),
    ]
    private static let choices: [TuningChoice] = [
        .tile(rows: 14, columns: 32, panelAxis: nil), .tile(rows: 1, columns: 64, panelAxis: 2),
        .winograd(outputs: 4, rows: 8, columns: 48, chunks: 2), .pixels(13),
    ]
    private let info = DeviceInfo(name: "one", driverVersion: "1.0", kind: .cpu)

    private func tuned(_ index: Int = 0) -> TunedChoice {
        TunedChoice(key: Self.keys[index], choice: Self.choices[index], digest: ProgramCache.digest(of: "text"))
    }

    @Test(arguments: keys)
    func keysSurviveText(_ key: TuningKey) {
        #expect(TuningKey("\(key)") == key)
    }

    @Test(arguments: choices)
    func choicesSurviveText(_ choice: TuningChoice) {
        #expect(TuningChoice("\(choice)") == choice)
    }

    @Test(arguments: [
        "", "tile", "tile 1", "tile 1 2 3 4", "tile a 2", "pixels", "pixels 99999999999999999999", "x 1 2",
    ])
    func otherTextIsNoChoice(_ text: String) {
        #expect(TuningChoice(text) == nil)
        #expect(TuningKey(text) == nil)
        #expect(TuningKey("convolution " + text) == nil)
    }

    @Test func choicesAreRememberedByDeviceAndDriver() throws {
        let folder = try TemporaryFolder()
        #expect(ProgramCache(.init(folder: folder.path)).remember(tuned: [tuned(0), tuned(2)], on: info))
        let cache = ProgramCache(.init(folder: folder.path))
        #expect(cache.tunedChoices(on: info) == [tuned(0), tuned(2)])
        #expect(cache.refusals(on: info).isEmpty)
        var other = info
        other.driverVersion = "1.1"
        #expect(cache.tunedChoices(on: other).isEmpty)
        #expect(cache.remember(tuned: [], on: info))
        #expect(cache.tunedChoices(on: info).isEmpty)
    }

    @Test func everyNumberOfComputeUnitsIsForgotten() throws {
        let folder = try TemporaryFolder()
        let cache = ProgramCache(.init(folder: folder.path))
        var four = info
        four.computeUnits = 4
        #expect(cache.remember(tuned: [tuned(0), tuned(1)], on: info))
        #expect(cache.remember(tuned: [tuned(2)], on: four))
        #expect(cache.tunedChoices(on: info) == [tuned(0), tuned(1)])
        #expect(cache.tunedChoices(on: four) == [tuned(2)])
        #expect(cache.remember(tuned: [tuned(1)], on: info))
        #expect(cache.tunedChoices(on: four) == [tuned(2)])
        #expect(cache.forgetTunedChoices(of: four) == 2)
        #expect(cache.tunedChoices(on: info).isEmpty && cache.tunedChoices(on: four).isEmpty)
        #expect(cache.forgetTunedChoices(of: info) == 0)
        #expect(ProgramCache(.init(folder: nil)).forgetTunedChoices(of: info) == 0)
    }

    @Test func choicesAreBounded() throws {
        let folder = try TemporaryFolder()
        let cache = ProgramCache(.init(folder: folder.path))
        let many = (0..<10_500).map { depth in
            TunedChoice(
                key: .matrixProduct(
                    .init(columns: 1, depth: depth, packsRows: false, sharesColumns: true, storage: .float32)
                ),
                choice: .pixels(1),
                digest: ""
            )
        }
        #expect(cache.remember(tuned: many, on: info))
        #expect(cache.tunedChoices(on: info) == many.suffix(10_000))
    }

    @Test func spoiledRecordsCountAsNone() throws {
        let folder = try TemporaryFolder()
        let cache = ProgramCache(.init(folder: folder.path))
        cache.remember(tuned: [tuned()], on: info)
        let file = "\(folder.path)/\(try #require(names(in: folder.path).first))"
        let whole = contents(of: file)
        for index in stride(from: 0, to: whole.count, by: 7) {
            var bytes = whole
            bytes[index] ^= 0x20
            try write(bytes, to: file)
            #expect(cache.tunedChoices(on: info).isEmpty, "byte \(index)")
        }
        for count in [0, 1, whole.count / 2, whole.count - 1] {
            try write(Array(whole.prefix(count)), to: file)
            #expect(cache.tunedChoices(on: info).isEmpty, "\(count) bytes")
        }
        try write(whole, to: file)
        #expect(cache.tunedChoices(on: info) == [tuned()])
    }

    @Test func withoutAFolderNothingIsRemembered() {
        let cache = ProgramCache(.init(folder: nil))
        #expect(!cache.remember(tuned: [tuned()], on: info))
        #expect(cache.tunedChoices(on: info).isEmpty)
    }
}
