import ApusGraph
import ApusONNX
import ApusONNXProto
import ApusTensor
import FoundationEssentials
import Glibc
import Testing

@Suite struct ExternalDataTests {
    private let directory: TemporaryDirectory
    private let values: [Float] = [0, 1, 2, 3, 4, 5, 6, 7]

    init() throws {
        directory = try TemporaryDirectory()
        for folder in ["model", "model/sub", "outside"] { #expect(mkdir(directory.path(folder), 0o755) == 0) }
        let bytes = values.withUnsafeBytes { Array($0) }
        for file in ["model/w.bin", "model/sub/w.bin", "outside/w.bin"] { try directory.write(file, bytes) }
    }

    private func model(_ entries: [(String, String)], count: Int64 = 2, type: Int32 = 1) -> Onnx_ModelProto {
        ApusONNXTests.model {
            $0.initializer = [
                tensor("w", type, [count]) {
                    $0.dataLocation = .external
                    $0.externalData = entries.map { entry($0.0, $0.1) }
                }
            ]
        }
    }

    private func load(_ model: Onnx_ModelProto) throws -> Tensor? {
        try directory.write("model/model.onnx", model.bytes())
        return try ONNXImporter.load(path: directory.path("model/model.onnx")).graph.constant("w")
    }

    private func refuses(_ entries: [(String, String)], count: Int64 = 2, type: Int32 = 1) throws {
        let model = model(entries, count: count, type: type)
        #expect(throws: ModelError.self, "\(entries)") { try load(model) }
    }

    @Test func mapsRanges() throws {
        let part = try load(model([("location", "w.bin"), ("offset", "4"), ("length", "8"), ("checksum", "x")]))
        #expect(try part?.array(of: Float.self) == [1, 2])
        #expect(part?.storage.isMapped == true)
        #expect(try load(model([("location", "sub/w.bin")]))?.array(of: Float.self) == [0, 1])
        #expect(try load(model([("location", "./w.bin"), ("offset", "32")], count: 0))?.elementCount == 0)
    }

    @Test func refusesRanges() throws {
        let ranges: [(String, String)] = [
            ("-4", "8"), ("28", "8"), ("33", "8"), ("9223372036854775807", "8"), ("18446744073709551615", "8"),
            ("0", "7"), ("0", "-8"), ("0", "1152921504606846976"), ("zero", "8"), ("0", "8x"), ("", "8"), ("0", ""),
            (" 0", "8"), ("+0", "8"), ("0x0", "8"), ("1e0", "8"),
        ]
        for (offset, length) in ranges {
            try refuses([("location", "w.bin"), ("offset", offset), ("length", length)])
        }
        try refuses([("location", "w.bin")], count: 9)
        try refuses([("location", "w.bin")], count: 1 << 61)
    }

    @Test func refusesKeys() throws {
        try refuses([])
        try refuses([("location", "")])
        try refuses([("location", "w.bin"), ("location", "w.bin")])
        try refuses([("location", "w.bin"), ("mode", "rw")])
        try refuses([("location", "w.bin")], type: 8)
    }

    @Test func refusesPathsOutside() throws {
        let outside = directory.path("outside/w.bin")
        for location in [
            outside, "../outside/w.bin", "sub/../../outside/w.bin", "sub/../w.bin", "..", ".", "/", "/dev/zero",
            "/proc/self/mem", "w.bin ", "w.bin\0", "w.bin/", "sub", "none.bin", "sub//../w.bin",
        ] {
            try refuses([("location", location)])
        }
    }

    @Test func refusesLinksAndSpecialFiles() throws {
        #expect(symlink("../outside/w.bin", directory.path("model/link.bin")) == 0)
        #expect(symlink("w.bin", directory.path("model/inner.bin")) == 0)
        #expect(symlink("../outside", directory.path("model/folder")) == 0)
        #expect(link(directory.path("outside/w.bin"), directory.path("model/hard.bin")) == 0)
        #expect(mkfifo(directory.path("model/fifo.bin"), 0o644) == 0)
        try directory.write("model/empty.bin", [])
        for location in ["link.bin", "inner.bin", "folder/w.bin", "hard.bin", "fifo.bin", "empty.bin"] {
            try refuses([("location", location)])
        }
        unlink(directory.path("outside/w.bin"))
        #expect(try load(model([("location", "hard.bin")]))?.array(of: Float.self) == [0, 1])
    }

    @Test func refusesOtherDataBesides() throws {
        var proto = model([("location", "w.bin")])
        proto.graph.initializer[0].rawData = Data(count: 8)
        #expect(throws: ModelError.self) { try load(proto) }
        proto = model([("location", "w.bin")])
        proto.graph.initializer[0].floatData = [1, 2]
        #expect(throws: ModelError.self) { try load(proto) }
    }

    @Test func refusesModelsWithoutAPlace() throws {
        #expect(try failure(model([("location", directory.path("model/w.bin"))]))?.code == .invalidModel)
        #expect(try failure(model([("location", "w.bin")]))?.code == .invalidModel)
    }

    @Test func mapsSparseFilesWithoutReadingThem() throws {
        let descriptor = open(directory.path("model/sparse.bin"), O_RDWR | O_CREAT, 0o644)
        #expect(ftruncate(descriptor, 1 << 36) == 0)
        close(descriptor)
        let part = try load(model([("location", "sparse.bin"), ("offset", "68719476728")]))
        #expect(try part?.array(of: Float.self) == [0, 0])
    }

    @Test func refusesModelFilesThatAreNoFiles() throws {
        #expect(mkfifo(directory.path("fifo.onnx"), 0o644) == 0)
        for path in [directory.path("fifo.onnx"), "/dev/zero", directory.root, directory.path("a\0b"), ""] {
            #expect(throws: ModelError.self) { try ONNXImporter.load(path: path) }
        }
    }
}
