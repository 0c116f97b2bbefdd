import Foundation
import Testing

extension CommandTests {
    @Test func tuningIsStoredShownAndForgotten() throws {
        let folder = try TemporaryFolder()
        let environment = ["APUS_CACHE_DIR": folder.path + "/cache"]
        func run(_ arguments: [String]) throws -> ProcessResult {
            let result = try apus(arguments, environment: environment)
            #expect(result.status == 0, "\(arguments) \(result)")
            return result
        }
        let json = try run(["tune", Paths.digits, "--device", "opencl:cpu", "--json", "-"]).json()
        let problems = try #require(json["problems"] as? [[String: Any]])
        #expect(problems.count >= 4)
        #expect(json["stored"] as? Bool == true && json["left"] as? Int == 0)
        for problem in problems {
            #expect((problem["standard_ms"] as? Double ?? 0) > 0 && (problem["chosen_ms"] as? Double ?? 0) > 0)
            #expect((problem["refused"] as? [Any])?.isEmpty == true, "\(problem)")
        }
        let changed = problems.count { $0["standard"] as? String != $0["chosen"] as? String }

        let listing = try run(["devices", "--json", "-"])
        let devices = try #require(
            try JSONSerialization.jsonObject(with: Data(listing.output.utf8)) as? [[String: Any]]
        )
        #expect(devices.reduce(0) { $0 + ($1["tuned"] as? Int ?? 0) } == changed)
        for tuning in ["1", "0"] {
            let result = try apus(
                ["run", Paths.digits, "--image", Paths.picture, "--top", "1", "--device", "opencl:cpu", "--json", "-"],
                environment: environment.merging(["APUS_TUNING": tuning]) { $1 }
            ).json()
            #expect((result["top"] as? [[String: Any]])?.first?["label"] as? String == "three")
        }
        let forgotten = try run(["tune", "--forget", "--device", "opencl:cpu"])
        #expect(forgotten.output.contains("forgot \(changed) tuned choices"), "\(forgotten)")
        #expect(!(try run(["devices"])).output.contains("tuned  "))
    }

    @Test func tuningPrintsATable() throws {
        let folder = try TemporaryFolder()
        let arguments = ["tune", Paths.digits, "--device", "opencl:cpu", "--candidates", "2"]
        let result = try apus(arguments, environment: ["APUS_CACHE": "0"])
        #expect(result.status == 0, "\(result)")
        for word in ["layer", "default", "chosen", "Conv", "total", "nothing is stored"] {
            #expect(result.output.contains(word), "\(word) in \(result)")
        }
        let none = try apus(arguments + ["--budget", "0"], environment: ["APUS_CACHE_DIR": folder.path + "/cache"])
        #expect(none.status == 0 && none.output.contains("left out by --budget"), "\(none)")
    }

    @Test func tuningNeedsAModelAndADevice() throws {
        try expectFailure(["tune"], status: 64, ["expected a model"])
        try expectFailure(["tune", Paths.digits, "--forget"], status: 64, ["takes no model"])
        try expectFailure(["tune", Paths.digits, "--candidates", "0"], status: 64, ["--candidates"])
        try expectFailure(["tune", Paths.digits, "--device", "toaster"], status: 64, ["is no device"])
        try expectFailure(["tune", Paths.digits, "--device", "reference"], status: 1, ["reference"])
        try expectFailure(["tune", "--forget", "--device", "reference"], status: 1, ["reference"])
    }
}
