import Foundation
import Testing

@Suite(.serialized) struct BenchTests {
    @Test func jsonHoldsEveryPromisedKey() throws {
        let json = try apus(
            ["bench", Paths.digits, "--iterations", "20", "--warmup", "2", "--profile-layers", "--json", "-"]
        ).json()
        #expect(json["model"] as? String == Paths.digits)
        #expect((json["device"] as? String)?.isEmpty == false)
        #expect(json["precision"] as? String == "model")
        for key in ["load_ms", "first_run_ms", "throughput_per_s", "peak_rss_bytes", "device_peak_bytes"] {
            #expect((json[key] as? Double ?? 0) > 0, "\(key)")
        }
        let latency = try #require(json["latency_ms"] as? [String: Double])
        let ordered = try ["min", "median", "p90", "p95", "p99", "max"].map { try #require(latency[$0], "\($0)") }
        #expect(ordered == ordered.sorted())
        #expect(try #require(latency["mean"]) >= ordered[0])
        let cache = try #require(json["cache"] as? [String: Int])
        #expect(cache["hits"] != nil && cache["misses"] != nil)
        let layers = try #require(json["layers"] as? [[String: Any]])
        let convolution = try #require(layers.first { $0["operatorType"] as? String == "Conv" })
        #expect(try #require(convolution["roofFraction"] as? Double) > 0)
        #expect(try #require(convolution["kernels"] as? [String]).contains { $0.contains("(MR=") })
        let roof = try #require(json["roof"] as? [String: Double])
        #expect(try #require(roof["operationsPerSecond"]) > 0 && #require(roof["bytesPerSecond"]) > 0)
    }

    @Test func withoutProfileThereAreNoLayers() throws {
        let json = try apus(["bench", Paths.digits, "--iterations", "10", "--device", "reference", "--json", "-"])
            .json()
        #expect(json["layers"] == nil)
        #expect(json["iterations"] as? Int == 10)
    }

    @Test func streamsShareTheIterations() throws {
        let json = try apus(["bench", Paths.digits, "--iterations", "32", "--streams", "4", "--json", "-"]).json()
        #expect(json["iterations"] as? Int == 32)
        #expect(json["streams"] as? Int == 4)
    }

    @Test func aSecondProcessBuildsNothing() throws {
        let folder = try TemporaryFolder()
        let environment = ["APUS_CACHE_DIR": folder.path + "/cache"]
        let arguments = ["bench", Paths.digits, "--iterations", "10", "--json", "-"]
        func cache() throws -> (hits: Int, misses: Int) {
            let counts = try #require(try apus(arguments, environment: environment).json()["cache"] as? [String: Int])
            return (try #require(counts["hits"]), try #require(counts["misses"]))
        }
        let first = try cache()
        #expect(first.hits == 0)
        #expect(first.misses > 0)
        let second = try cache()
        #expect(second.misses == 0)
        #expect(second.hits == first.misses)

        for file in folder.files {
            let path = "\(folder.path)/\(file)"
            guard let bytes = FileManager.default.contents(atPath: path), bytes.count > 8 else { continue }
            try bytes.prefix(bytes.count / 2).write(to: URL(filePath: path))
        }
        let spoiled = try apus(
            ["run", Paths.digits, "--image", Paths.picture, "--top", "1"],
            environment: environment
        )
        #expect(spoiled.status == 0 && spoiled.output.contains("1. three"), "\(spoiled)")
    }

    @Test(arguments: [["APUS_CACHE": "0"], ["APUS_CACHE_DIR": "/proc/apus"], ["APUS_CACHE_DIR": "/dev/null"]])
    func withoutACacheItStillWorks(_ environment: [String: String]) throws {
        let result = try apus(["run", Paths.digits, "--image", Paths.picture, "--top", "1"], environment: environment)
        #expect(result.status == 0 && result.output.contains("1. three"), "\(result)")
        #expect(result.error.isEmpty)
    }
}
