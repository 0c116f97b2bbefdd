import Foundation
import Testing

/// Several devices of pocl, one core each: the environment must be set before the first OpenCL call.
@Suite(.serialized) struct SeveralDevicesTests {
    private let basic = ["POCL_DEVICES": "basic basic"]
    private let both = ["--device", "opencl:0,opencl:1"]

    private func outputs(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Data {
        let folder = try TemporaryFolder()
        let run = ["run", Paths.digits, "--image", Paths.picture, "--output-dir", folder.path]
        let result = try apus(run + arguments, environment: environment)
        #expect(result.status == 0, "\(result)")
        return try Data(contentsOf: URL(filePath: folder.path + "/probabilities.npy"))
    }

    @Test func stagesAnswerAsOneDevice() throws {
        let devices = try apus(["devices"], environment: basic)
        #expect(devices.output.contains("opencl:1"), "\(devices)")
        let expected = try outputs(["--device", "opencl:0"], basic)
        for placement in ["even", "pipeline", "replicate"] {
            #expect(try outputs(both + ["--placement", placement], basic) == expected, "\(placement)")
        }
        #expect(try !outputs(["--device", "opencl:1,reference,opencl:0", "--placement", "even"], basic).isEmpty)
    }

    @Test func stagesComputeInThePrecisionAskedFor() throws {
        let folder = try TemporaryFolder()
        let text = "stage one opencl:0\n /stem/*\n /Relu\nstage two opencl:1\n rest"
        let path = try folder.write(text.utf8, "placement")
        let staged = ["--placement", path, "--precision", "bf16"]
        let run = ["run", Paths.digits, "--image", Paths.picture, "--top", "1"]
        let answer = try apus(run + staged, environment: basic)
        #expect(answer.status == 0 && answer.output.contains("1. three"), "\(answer)")
        let check = try apus(["check", Paths.digits] + staged, environment: basic)
        #expect(check.status == 0 && check.output.contains("Cast"), "\(check)")
        let compared = try apus(["compare", Paths.digits] + staged, environment: basic)
        #expect(compared.status == 1 && compared.error.contains("bf16"), "\(compared)")
    }

    @Test func thePlacementIsSavedAndLoaded() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/placement.txt"
        let made = try apus(
            ["check", Paths.digits] + both + ["--placement", "even", "--save-placement", path],
            environment: basic
        )
        #expect(made.status == 0, "\(made)")
        for word in ["stage part1 on opencl:0", "stage part2 on opencl:1", "part1 -> part2", "bytes cross"] {
            #expect(made.output.contains(word), "\(word) in \(made)")
        }
        let again = folder.path + "/again.txt"
        let check = ["check", Paths.digits, "--placement", path, "--save-placement", again]
        let loaded = try apus(check, environment: basic)
        #expect(loaded.status == 0 && loaded.output.contains("line "), "\(loaded)")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == String(contentsOfFile: again, encoding: .utf8))
        #expect(try outputs(["--placement", path], basic) == outputs(["--device", "opencl:0"], basic))

        let report = try apus(["inspect", Paths.digits, "--placement", path, "--json", "-"], environment: basic).json()
        let placement = try #require(report["placement"] as? [String: Any])
        #expect((placement["layers"] as? [[String: Any]])?.count == 21)
        #expect((placement["stages"] as? [[String: Any]])?.map { $0["name"] as? String } == ["part1", "part2"])
        let transfers = try #require(placement["transfers"] as? [[String: Any]])
        #expect(transfers.count == 1 && (transfers[0]["bytes"] as? Int ?? 0) > 0, "\(transfers)")
        let compared = try apus(["compare", Paths.digits, "--placement", path], environment: basic)
        #expect(compared.status == 0, "\(compared)")
    }

    @Test func requestsInFlightUseAllDevices() throws {
        for placement in ["even", "replicate"] {
            let bench = ["bench", Paths.digits, "--iterations", "64", "--streams", "4", "--json", "-"]
            let json = try apus(bench + both + ["--placement", placement], environment: basic).json()
            #expect(json["iterations"] as? Int == 64)
            let devices = try #require(json["devices"] as? [[String: Any]])
            #expect(devices.count == 2)
            for device in devices { #expect((device["peak_bytes"] as? Int ?? 0) > 0, "\(device)") }
        }
    }

    @Test func whatCannotBeMadeIsRefused() throws {
        let folder = try TemporaryFolder()
        let check = ["check", Paths.digits, "--device", "opencl:0,reference", "--placement"]
        func expectRefusal(_ text: String, status: Int32 = 1, _ words: [String]) throws {
            let path = try folder.write(text.utf8, "placement.txt")
            try expectFailure(check + [path], status: status, ["placement.txt"] + words)
        }
        try expectRefusal("stage x opencl:0\n  nobody\nstage y reference\n  rest", ["line 2", "nobody"])
        try expectRefusal("stage x opencl:77\n  rest", status: 3, ["line 1", "opencl:77"])
        try expectRefusal("stage x somewhere\n  rest", ["line 1", "somewhere"])
        try expectRefusal("stage x opencl:0\n  *\nstage y reference\n  /stem/*", ["line 4", "twice"])
        try expectRefusal(
            "stage x opencl:0\n  /stem/*\n  /Softmax\nstage y reference\n  rest",
            ["line 4", "wait for one another"]
        )
        try expectRefusal("stage x opencl:0\n  rest", ["no stage", "reference"])
        for placement in ["latency", "split"] {
            try expectFailure(check + [placement], status: 1, [placement, "not available yet"])
        }
        try expectFailure(check + ["single"], status: 1, ["single", "one device"])
        try expectFailure(["check", Paths.digits, "--placement", "even"], status: 1, ["several devices"])
        #expect(try apus(["check", Paths.digits, "--device", "opencl:0,,reference"]).status == 64)
    }
}
