import ApusBackends
import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOpenCL
import ApusOperatorSuite
import ApusTensor
import ApusVerification
import Foundation
import Testing

@Suite struct TunerTests {
    private let device: OpenCLDevice
    private let cache = ProgramCache(.init(folder: nil))

    init() throws {
        device = try #require(OpenCLDevice.all.first { $0.info.executionModel == .workItemTile })
    }

    /// An operator with constant weights of some shape.
    private func graph(
        _ operatorType: String,
        _ input: [Int],
        _ weights: [Int],
        _ attributes: [String: AttributeValue] = [:]
    ) throws -> Graph {
        var generator = SeededGenerator(seed: 3)
        let constant = try generator.tensor(TensorType(.float32, weights), in: -1...1)
        let inputs: [OperatorCase.Input] = [.random(TensorType(.float32, input), -1...1), .constant(constant)]
        return try OperatorCase(operatorType, "tuned", attributes: attributes, inputs: inputs).makeGraph().graph
    }

    private func plan(_ graph: Graph, _ input: [Int], _ tuning: TuningTable = TuningTable()) throws -> Plan {
        let executor = try OpenCLExecutor(graph, on: device, tuning: tuning, cache: cache)
        return try #require(try executor.plan([TensorType(.float32, input)]))
    }

    private let input = [1, 16, 12, 12]

    private func convolution() throws -> Graph {
        try graph("Conv", input, [24, 16, 3, 3], ["pads": .ints([1, 1, 1, 1])])
    }

    @Test func decisionsDoNotDependOnTheBatch() throws {
        let graph = try convolution()
        var free = graph
        free[graph.inputs[0]].type = .tensor(.float32, nil)
        let one = try #require(try plan(free, input).nodes.first?.decision)
        let three = try #require(try plan(free, [3, 16, 12, 12]).nodes.first?.decision)
        #expect(one.key == three.key)
        #expect(one.choice == three.choice && one.choice == one.candidates[0])
        #expect(Set(one.candidates).count == one.candidates.count && one.candidates.count > 20)
    }

    @Test func loweringTakesTheChoice() throws {
        let graph = try convolution()
        let decision = try #require(try plan(graph, input).nodes.first?.decision)
        for choice in decision.candidates.prefix(12) {
            let plan = try plan(graph, input, TuningTable(choices: [decision.key: choice]))
            #expect(plan.nodes.first?.decision?.choice == choice)
            let programs = plan.launches.map(\.launch.program)
            switch choice {
            case .tile(let rows, let columns, _):
                let direct = try #require(programs.first { $0.file == "convolution/direct.cl" })
                #expect(direct.defines["MR"] == "\(rows)" && direct.defines["NR"] == "\(columns)")
            case .winograd(let outputs, let rows, _, _):
                let winograd = try #require(programs.first { $0.file == "convolution/winograd.cl" })
                #expect(winograd.defines["TILE"] == "\(outputs)" && winograd.defines["MR"] == "\(rows)")
            case .pixels: Issue.record("no choice of this operator")
            }
        }
    }

    @Test(arguments: [
        TuningChoice.tile(rows: 200, columns: 16, panelAxis: nil), .tile(rows: 0, columns: 0, panelAxis: 9),
    ])
    func whatDoesNotServeIsLeftOut(_ choice: TuningChoice) throws {
        let graph = try convolution()
        let decision = try #require(try plan(graph, input).nodes.first?.decision)
        let tuned = try plan(graph, input, TuningTable(choices: [decision.key: choice]))
        #expect(tuned.nodes.first?.decision?.choice == decision.candidates[0])
    }

    @Test(arguments: [400_000_000, 200_000])
    func everyKindOfProblemIsMeasured(_ referenceOperations: Int) throws {
        let problems: [(Graph, [Int])] = [
            (try convolution(), input),
            (
                try graph("Conv", [1, 40, 9, 9], [40, 1, 3, 3], ["group": .int(40), "pads": .ints([1, 1, 1, 1])]),
                [1, 40, 9, 9]
            ),
            (try graph("Conv", [1, 24, 20, 20], [40, 24, 1, 1], ["strides": .ints([2, 2])]), [1, 24, 20, 20]),
            (try graph("MatMul", [2, 40, 30], [30, 50]), [2, 40, 30]),
        ]
        for (graph, input) in problems {
            let problem = try #require(TuningProblem.problems(of: try plan(graph, input)).first)
            #expect(problem.candidates.count >= 4 && problem.useCount == 1)
            var tuner = Tuner(device, cache: cache)
            tuner.tuning = TuningTable()
            tuner.referenceOperations = referenceOperations
            let outcome = try #require(try tuner.tune(problem))
            #expect(outcome.refused.isEmpty, "\(problem.key): \(outcome.refused)")
            #expect(problem.candidates.prefix(4).contains(outcome.choice))
            #expect(outcome.nanoseconds > 0)
            let standard = try #require(outcome.standardNanoseconds)
            #expect(outcome.choice == outcome.standard || outcome.nanoseconds < standard)
        }
    }

    @Test func wrongVariantsAreRefused() throws {
        let problem = try #require(TuningProblem.problems(of: try plan(try convolution(), input)).first)
        let tiles = problem.candidates.prefix(4).compactMap { choice -> String? in
            if case .tile(let rows, _, nil) = choice { "\(rows)" } else { nil }
        }
        let bad = try #require(tiles.last)
        var tuner = Tuner(device, cache: cache)
        tuner.tuning = TuningTable()
        tuner.rewriteKernel = { program, text in
            guard program.file == "convolution/direct.cl", program.defines["MR"] == bad else { return text }
            return text.replacingOccurrences(of: "(FLOATV)(0.0f)", with: "(FLOATV)(1e-3f)")
        }
        let outcome = try #require(try tuner.tune(problem))
        #expect(!outcome.refused.isEmpty)
        for refused in outcome.refused {
            #expect(refused.reason.contains("relative L2") && refused.choice != outcome.choice)
        }
        tuner.rewriteKernel = { _, text in text.replacingOccurrences(of: "__kernel", with: "not_c") }
        #expect(try tuner.tune(problem) == nil)
    }

    @Test func storedChoicesEndWithTheTextOfTheKernels() throws {
        let folder = NSTemporaryDirectory() + "apus-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let cache = ProgramCache(.init(folder: folder))
        let decision = try #require(try plan(try convolution(), input).nodes.first?.decision)
        var tuned = TunedChoice(
            key: decision.key,
            choice: decision.candidates[2],
            digest: tuningDigest(decision.key)
        )
        cache.remember(tuned: [tuned], on: device.info)
        let table = TuningTable(storedOn: device.info, in: cache)
        #expect(table.choices == [decision.key: decision.candidates[2]])
        #expect(try plan(try convolution(), input, table).nodes.first?.decision?.choice == decision.candidates[2])
        tuned.digest = ProgramCache.digest(of: "an older text")
        cache.remember(tuned: [tuned], on: device.info)
        #expect(TuningTable(storedOn: device.info, in: cache).choices.isEmpty)
    }
}
