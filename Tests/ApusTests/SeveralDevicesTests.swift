import Apus
import ApusBackends
import ApusOpenCL
import ApusTensor
import ApusVerification
import Dispatch
import Foundation
import Synchronization
import Testing

/// A model in stages on a kernel device and the reference, which every machine has. Several OpenCL devices need their
/// environment before the first call and are tested through the command.
@Suite struct SeveralDevicesTests {
    private static let both: [DeviceSelection] = [.openCL(0), .reference]

    private func session(
        _ model: Model,
        _ placement: Session.Placement,
        _ devices: [DeviceSelection] = [.automatic],
        fallback: Session.Fallback = .node
    ) throws -> Session {
        try Session(model, options: Session.Options(devices: devices, placement: placement, fallback: fallback))
    }

    private func expectEqual(_ session: Session, _ digits: Digits, count: Int = 5) throws {
        let expected = try referenceSession(digits.model).answer(digits.input(count))
        let error = try ErrorMetrics(reference: expected, computed: session.answer(digits.input(count)))
        #expect(error.nonFiniteMismatchCount == 0 && error.relativeL2 < 1e-5, "\(error)")
    }

    @Test func anEvenPlacementGivesTheSameAnswer() throws {
        let digits = try Digits()
        for devices in [Self.both, Self.both.reversed(), [.openCL(0), .openCL(0), .reference, .openCL(0)]] {
            let session = try self.session(digits.model, .even(shapes: [:]), devices)
            #expect(session.stages.count == devices.count)
            #expect(session.stages.flatMap(\.layers).count == 21)
            for name in ["opencl:0", "reference"] { #expect(session.deviceName.contains(name)) }
            for count in [1, 5, 2] { try expectEqual(session, digits, count: count) }
        }
    }

    @Test func aDeviceMayOwnSeveralStages() throws {
        let digits = try Digits()
        let file = try PlacementFile(
            "stage stem opencl:0\n /stem/*\n /Relu\nstage middle reference\n /d*\n /Relu_1\n /Relu_2\n"
                + "stage end opencl:0\n rest"
        )
        let session = try self.session(digits.model, .stages(file))
        #expect(session.stages.map(\.name) == ["stem", "middle", "end"])
        try expectEqual(session, digits)
        let saved = try #require(session.placementFile)
        let again = try self.session(digits.model, .stages(saved))
        #expect(again.stages == session.stages)
        try expectEqual(again, digits)
    }

    @Test func aSavedEvenPlacementIsTheSame() throws {
        let digits = try Digits()
        let even = try session(digits.model, .even(shapes: ["image": [8, 1, 8, 8]]), Self.both)
        let saved = try PlacementFile("\(#require(even.placementFile))")
        #expect(try session(digits.model, .stages(saved)).stages == even.stages)
        #expect(try session(digits.model, .stages(saved), Self.both.reversed()).stages == even.stages)
        let single = try #require(try openCLSession(digits.model).placementFile)
        try expectEqual(session(digits.model, .stages(single)), digits)
    }

    @Test func copiesAnswerAlike() throws {
        let digits = try Digits()
        let session = try self.session(digits.model, .replicate, Self.both)
        #expect(session.placementFile == nil && session.stages.isEmpty)
        for _ in 0..<3 { try expectEqual(session, digits) }
    }

    @Test func sixteenThreadsGetEqualAnswers() throws {
        let digits = try Digits()
        let inputs = try (1...4).map { try digits.input($0) }
        for placement in [Session.Placement.even(shapes: [:]), .replicate] {
            let session = try self.session(digits.model, placement, Self.both)
            let expected = try inputs.map { try referenceSession(digits.model).answer($0) }
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 16) { thread in
                for run in 0..<4 {
                    let index = (thread + run) % inputs.count
                    do {
                        let found = try session.answer(inputs[index])
                        let error = try ErrorMetrics(reference: expected[index], computed: found)
                        if error.relativeL2 > 1e-5 { failures.withLock { $0.append("\(thread) \(run): \(error)") } }
                    } catch {
                        failures.withLock { $0.append("\(thread) \(run): \(error)") }
                    }
                }
            }
            let messages = failures.withLock { $0 }
            #expect(messages.isEmpty, "\(messages)")
        }
    }

    @Test func deadlinesAndCancellationHoldBetweenStages() async throws {
        let digits = try Digits()
        let session = try self.session(digits.model, .even(shapes: [:]), Self.both)
        let error = #expect(throws: ModelError.self) {
            try session.runBlocking(digits.input(3), deadline: .now - .milliseconds(1))
        }
        #expect(error?.code == .cancelled)
        let asked = Atomic<Int>(0)
        let input = try digits.input(3)
        let stopped = #expect(throws: ModelError.self) {
            try session.run(
                input,
                RunOptions(isCancelled: { asked.add(1, ordering: .relaxed).oldValue >= 2 })
            )
        }
        #expect(stopped?.code == .cancelled)
        try expectEqual(session, digits)
    }

    /// A request that waits for a device gives up at its deadline, and the device goes on to the next one.
    @Test func waitingEndsAtTheDeadline() throws {
        let digits = try Digits()
        let file = try PlacementFile("stage all reference\n rest")
        let session = try self.session(digits.model, .stages(file))
        let long = try digits.input(200)
        let cancelled = Atomic<Int>(0)
        let answered = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            do {
                _ = try session.runBlocking(long, deadline: index % 2 == 0 ? nil : .now + .milliseconds(1))
                answered.add(1, ordering: .relaxed)
            } catch {
                if (error as? ModelError)?.code == .cancelled { cancelled.add(1, ordering: .relaxed) }
            }
        }
        #expect(answered.load(ordering: .relaxed) >= 4)
        #expect(answered.load(ordering: .relaxed) + cancelled.load(ordering: .relaxed) == 8)
        try expectEqual(session, digits)
    }

    @Test func placementsThatCannotBeMadeAreRefused() throws {
        let model = try Networks.load("digits")
        func expectError(
            _ placement: Session.Placement,
            _ devices: [DeviceSelection],
            _ words: String...
        ) throws {
            let error = try #require(#expect(throws: (any Error).self) { try session(model, placement, devices) })
            for word in words { #expect("\(error)".contains(word), "\(error)") }
        }
        func file(_ text: String) throws -> Session.Placement { .stages(try PlacementFile(text)) }
        try expectError(.single, Self.both, "single", "one device", "2")
        try expectError(.even(shapes: [:]), [.openCL(0)], "several devices")
        try expectError(.even(shapes: [:]), [], "no device")
        try expectError(.replicate, [.openCL(0), .openCL(0)], "twice")
        try expectError(file("stage x gpu\n *"), [.automatic], "line 1", "\"gpu\"", "no device")
        try expectError(file("# c\nstage x opencl:99\n *"), [.automatic], "line 2", "opencl:99")
        try expectError(file("stage x reference\n *"), [.openCL(0)], "line 1", "reference", "opencl:0")
        try expectError(file("stage x reference\n *"), Self.both, "no stage", "opencl:0")
        try expectError(file("stage x reference\n /stem/*"), [.automatic], "nodes are in no stage")
        try expectError(
            file("stage x reference\n /stem/conv/Conv\n /classifier/*\nstage y opencl:0\n rest"),
            [.automatic],
            "line 4",
            "wait for one another"
        )
        let missing = #expect(throws: ModelError.self) { try PlacementFile.load("/no/such/placement") }
        #expect(missing?.file == "/no/such/placement")
    }

    /// Whether a split is followed must not depend on what a device can do.
    @Test func nodesWithoutAKernelAreRefusedWhereTheUserSaysSo() throws {
        let digits = try Digits()
        try expectEqual(session(digits.model, .even(shapes: [:]), Self.both, fallback: .never), digits)
    }
}
