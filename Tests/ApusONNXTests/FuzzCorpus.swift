import ApusONNX
import ApusONNXProto
import Glibc
import Testing

@Suite struct FuzzCorpus {
    private static let directory = getenv("APUS_FUZZ_CORPUS").map { String(cString: $0) }

    /// Writes the sample models and values where `Scripts/fuzz.sh` asks for them.
    @Test(.enabled(if: directory != nil)) func writesSeeds() throws {
        let directory = try #require(Self.directory)
        let models =
            [compositeModel] + HostileModelTests.refused.map(\.1)
            + TensorTests.malformed.map { sample in
                model { $0.initializer = [sample.1] }
            }
        let values = try ValueFileTests.samples.map { try ONNXImporter.bytes(of: $0.1, name: $0.0) }
        for (index, bytes) in (try models.map { try $0.bytes() } + values).enumerated() {
            guard bytes.count < 1 << 16 else { continue }
            let file = try #require(fopen("\(directory)/sample-\(index)", "w"))
            #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
            fclose(file)
        }
    }
}
