import Apus
import ApusTensor
import ApusVerification
import Foundation
import Testing

@Suite struct DigitsTests {
    @Test func classesAreRightAndTheSameOnEveryDevice() throws {
        let digits = try Digits()
        let inputs: [String: RuntimeValue] = ["image": .tensor(digits.images)]
        let reference = try referenceSession(digits.model).answer(inputs)
        let found = try openCLSession(digits.model).answer(inputs)
        #expect(reference.shape == [digits.labels.count, 10])
        #expect(try classes(found) == classes(reference))
        #expect(relativeError(found, reference) < 1e-5)
        let right = try zip(classes(reference), digits.labels).count { $0 == Int($1) }
        #expect(Double(right) / Double(digits.labels.count) > 0.97, "\(right) of \(digits.labels.count) are right")
    }

    @Test func probabilitiesSumToOne() throws {
        let digits = try Digits()
        let answer = try openCLSession(digits.model).answer(digits.input(7)).array(of: Float.self)
        for row in 0..<7 {
            let sum = answer[row * 10..<row * 10 + 10].reduce(0, +)
            #expect(abs(sum - 1) < 1e-5)
        }
    }

    @Test func anImageDoesNotDependOnItsBatch() throws {
        let digits = try Digits()
        let session = try openCLSession(digits.model)
        let together = try session.answer(digits.input(13)).array(of: Float.self)
        for count in [1, 2, 5] {
            let alone = try session.answer(digits.input(count)).array(of: Float.self)
            for (found, expected) in zip(alone, together) { #expect(abs(found - expected) < 1e-6) }
        }
    }

    @Test func anEmptyBatchHasAnEmptyAnswer() throws {
        let digits = try Digits()
        let inputs: [String: RuntimeValue] = ["image": .tensor(try Tensor(shape: [0, 1, 8, 8], [Float]()))]
        #expect(try referenceSession(digits.model).answer(inputs).shape == [0, 10])
        #expect(try openCLSession(digits.model).answer(inputs).shape == [0, 10])
    }

    @Test func aModelLoadedFromMemoryAnswersTheSame() throws {
        let digits = try Digits()
        let bytes = try Array(Data(contentsOf: URL(filePath: Networks.path("digits"))))
        let inputs = try digits.input(3)
        let found = try openCLSession(Model.load(bytes: bytes)).answer(inputs)
        #expect(try found.array(of: Float.self) == openCLSession(digits.model).answer(inputs).array(of: Float.self))
    }
}
