import Apus
import Foundation
import Testing

/// The example of README.md, compiled and run as it stands there.
@Suite struct ReadmeTests {
    private func example() async throws -> [String: RuntimeValue] {
        // README begin
        let model = try Model.load("Models/digits/digits.onnx")
        let session = try Session(model)
        let images = try Npy.read(path: "Models/digits/heldout-images.npy")

        let outputs = try await session.run(["image": .tensor(images)])
        for (name, value) in outputs {
            let tensor = try value.tensor()
            print(session.deviceName, name, tensor.type, try tensor.array(of: Float.self).prefix(10))
        }
        // README end
        return outputs
    }

    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: "Models/digits/digits.onnx"), "run in the package folder")
    )
    func theExampleRuns() async throws {
        let digits = try Digits()
        let probabilities = try #require(try await example()["probabilities"]).tensor()
        let right = try zip(classes(probabilities), digits.labels).count { $0 == Int($1) }
        #expect(right > 340)
    }

    @Test func theReadmeHoldsTheExample() throws {
        let source = try String(contentsOfFile: #filePath, encoding: .utf8).components(separatedBy: "\n")
        let begin = try #require(source.firstIndex { $0.hasSuffix("// README begin") })
        let end = try #require(source.firstIndex { $0.hasSuffix("// README end") })
        let example = source[(begin + 1)..<end].map { String($0.dropFirst(8)) }.joined(separator: "\n")
        let readme = try String(contentsOfFile: Networks.folder + "/../README.md", encoding: .utf8)
        #expect(readme.contains("```swift\nimport Apus\n\n" + example + "\n```"))
    }
}
