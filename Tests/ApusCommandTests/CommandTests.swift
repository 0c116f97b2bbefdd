import ApusTensor
import Foundation
import Testing

/// The command as a process. One at a time, as each uses all cores.
@Suite(.serialized) struct CommandTests {
    static let names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]

    @Test func devicesAreListed() throws {
        let result = try apus(["devices"])
        #expect(result.status == 0, "\(result)")
        #expect(result.output.contains("opencl:0"))
        #expect(result.output.contains("reference"))
        let json = try apus(["devices", "--json", "-"])
        let list = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
        #expect(list.first?["selection"] as? String == "opencl:0")
        for key in ["name", "vendor", "kind", "platform", "driver", "computeUnits", "globalMemoryBytes", "roof"] {
            #expect(list.first?[key] != nil, "\(key)")
        }
    }

    @Test func inspectTellsWhatTheModelIs() throws {
        let result = try apus(["inspect", Paths.digits])
        #expect(result.status == 0, "\(result)")
        for word in ["image", "float32[batch,1,8,8]", "probabilities", "parameters", "Conv", "BatchNormalization"] {
            #expect(result.output.contains(word), "\(word) in \(result)")
        }
        let json = try apus(["inspect", Paths.digits, "--json", "-"]).json()
        #expect(json["nodes"] as? Int == 21)
        #expect((json["operators"] as? [String: Int])?["Conv"] == 5)
        #expect((json["operations"] as? Int ?? 0) > 0)
        let bound = try #require(json["boundNodes"] as? Int)
        #expect(bound < 21)
    }

    @Test func inspectDrawsTheGraphAndListsLaunches() throws {
        let dot = try apus(["inspect", Paths.digits, "--dot"])
        #expect(dot.status == 0)
        #expect(dot.output.hasPrefix("digraph {"))
        #expect(dot.output.contains("Softmax"))
        let launches = try apus(["inspect", Paths.digits, "--launches"])
        #expect(launches.status == 0)
        #expect(launches.output.contains(".cl"))
    }

    @Test func checkNamesTheDeviceOfEveryNode() throws {
        let result = try apus(["check", Paths.digits, "--device", "opencl:0"])
        #expect(result.status == 0, "\(result)")
        #expect(result.output.contains("0 on the host"))
        #expect(try apus(["check", Paths.digits, "--device", "reference"]).output.contains("reference"))
        #expect(try apus(["check", Paths.digits, "--strict"]).status == 0)
    }

    @Test func everyPictureIsClassifiedRight() throws {
        let folder = Paths.root + "/Models/digits/pictures"
        let pictures = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".png") }
        #expect(pictures.count == 20)
        for picture in pictures.sorted() {
            let digit = try #require(picture.dropLast(4).last?.wholeNumberValue)
            let result = try apus(["run", Paths.digits, "--image", "\(folder)/\(picture)", "--top", "3"])
            #expect(result.status == 0, "\(result)")
            #expect(result.output.contains("\n1. \(Self.names[digit])  "), "\(picture): \(result)")
        }
    }

    @Test(arguments: ["auto", "reference", "opencl:0", "opencl:cpu"])
    func everyDeviceAnswersTheSame(_ device: String) throws {
        let json = try apus(
            ["run", Paths.digits, "--image", Paths.picture, "--top", "1", "--device", device, "--json", "-"]
        ).json()
        let top = try #require((json["top"] as? [[String: Any]])?.first)
        #expect(top["index"] as? Int == 3)
        #expect(top["label"] as? String == "three")
        #expect(abs((top["value"] as? Double ?? 0) - 0.990040) < 1e-4)
    }

    @Test func labelsComeFromAFile() throws {
        let folder = try TemporaryFolder()
        let labels = try folder.write(
            (0..<10).map { "label number \($0)" }.joined(separator: "\n").utf8,
            "labels.txt"
        )
        let result = try apus(["run", Paths.digits, "--image", Paths.picture, "--top", "2", "--labels", labels])
        #expect(result.output.contains("1. label number 3"), "\(result)")
        #expect(result.output.contains("2. "))
        #expect(!result.output.contains("3. "))
    }

    @Test func outputsAreWritten() throws {
        let folder = try TemporaryFolder()
        let result = try apus(
            [
                "run", Paths.digits, "--input", "image=\(Paths.root)/Models/digits/heldout-images.npy", "--output-dir",
                folder.path + "/a/b",
            ]
        )
        #expect(result.status == 0, "\(result)")
        #expect(folder.files == ["a", "a/b", "a/b/probabilities.npy"])
        let answers = try Npy.read(path: folder.path + "/a/b/probabilities.npy")
        #expect(answers.type == TensorType(.float32, [360, 10]))
        let labels = try Npy.read(path: Paths.root + "/Models/digits/heldout-labels.npy").array(of: Int64.self)
        let values = try answers.array(of: Float.self)
        let right = labels.indices.count { row in
            (0..<10).max { values[row * 10 + $0] < values[row * 10 + $1] } == Int(labels[row])
        }
        #expect(right > 350)
    }

    @Test func layersAreProfiled() throws {
        let result = try apus(["run", Paths.digits, "--image", Paths.picture, "--profile-layers"])
        #expect(result.status == 0, "\(result)")
        for word in ["GFLOP/s", "share", "total"] { #expect(result.output.contains(word), "\(result)") }
    }

    @Test func compareFindsNoBadLayer() throws {
        let result = try apus(["compare", Paths.digits, "--shape", "image=3x1x8x8", "--unfused"])
        #expect(result.status == 0, "\(result)")
        #expect(result.output.contains("Conv"))
        let json = try apus(["compare", Paths.digits, "--json", "-"]).json()
        #expect((json["layers"] as? [Any])?.isEmpty == false)
        #expect(json["firstBad"] == nil)
    }

    @Test func compareFailsOnAnotherAnswer() throws {
        let folder = try TemporaryFolder()
        let wrong = try folder.write(Tensor(shape: [1, 10], [Float](repeating: 0.5, count: 10)), "wrong.npy")
        try expectFailure(["compare", Paths.digits, "--expected", wrong], status: 2, ["wrong.npy", "relative L2"])
        try expectFailure(["compare", Paths.digits, "--tolerance=-1"], status: 2, ["first bad layer", "Relu"])
    }

    @Test func helpNamesEveryCommand() throws {
        let result = try apus(["--help"])
        #expect(result.status == 0)
        for command in ["devices", "inspect", "check", "run", "bench", "compare"] {
            #expect(result.output.contains(command))
        }
    }
}
