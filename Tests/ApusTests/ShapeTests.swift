import ApusBackends
import ApusOpenCL
import ApusTensor
import Foundation
import Testing

@testable import Apus

/// Shapes that arrive while a session lives.
@Suite struct ShapeTests {
    @Test func aNewBatchOfDigitsBuildsNoProgram() throws {
        let digits = try Digits()
        let cache = ProgramCache(.init(folder: nil))
        let session = try openCLSession(digits.model, cache: cache)
        _ = try session.answer(digits.input(1))
        let built = cache.statistics.sourceBuilds
        #expect(built > 0)
        for count in [3, 2, 5] {
            let found = try session.answer(digits.input(count))
            #expect(try zip(classes(found), digits.labels).allSatisfy { $0 == Int($1) })
            #expect(cache.statistics.sourceBuilds == built, "batch \(count)")
        }
        #expect(cache.statistics.hits == 0)
    }

    @Test(arguments: ["resnet18", "mobilenet_v2"])
    func aNewBatchOfPicturesBuildsNoProgram(_ name: String) throws {
        let cache = ProgramCache(.init(folder: nil))
        let session = try openCLSession(Networks.load(name), cache: cache)
        _ = try session.executor.plan([TensorType(.float32, [1, 3, 224, 224])])
        let built = cache.statistics.sourceBuilds
        #expect(built > 0)
        for batch in [3, 2, 5] {
            _ = try session.executor.plan([TensorType(.float32, [batch, 3, 224, 224])])
            #expect(cache.statistics.sourceBuilds == built, "batch \(batch)")
        }
    }

    @Test func plansAreKeptByShape() throws {
        let digits = try Digits()
        let session = try openCLSession(digits.model)
        let executor = try #require(session.executor as? OpenCLExecutor)
        for count in [1, 2, 1, 2, 1] { _ = try session.answer(digits.input(count)) }
        #expect(executor.planCounts.misses == 2)
        #expect(executor.planCounts.hits == 3)
    }

    /// In a process of its own, as tests that run at the same time hold buffers too.
    @Test func aSessionGivesItsMemoryBack() async throws {
        await #expect(processExitsWith: .success) {
            let device = try #require(OpenCLDevice.all.first)
            do {
                let digits = try Digits()
                let sessions = try [openCLSession(digits.model), openCLSession(digits.model)]
                for session in sessions {
                    for count in [1, 7, 30] { _ = try session.answer(digits.input(count)) }
                }
                withExtendedLifetime(sessions) { #expect(device.memoryStatistics.liveBytes > 0) }
            }
            #expect(device.memoryStatistics.liveBytes == 0)
            #expect(device.memoryStatistics.liveBuffers == 0)
        }
    }

    /// In a process of its own, as above.
    @Test func runsDoNotGrowTheMemory() async throws {
        await #expect(processExitsWith: .success) {
            let device = try #require(OpenCLDevice.all.first)
            let digits = try Digits()
            let session = try openCLSession(digits.model)
            _ = try session.answer(digits.input(5))
            let bytes = device.memoryStatistics.liveBytes
            for _ in 0..<50 { _ = try session.answer(digits.input(5)) }
            #expect(device.memoryStatistics.liveBytes == bytes)
        }
    }
}
