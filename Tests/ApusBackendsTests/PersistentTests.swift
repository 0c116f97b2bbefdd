import ApusCompiler
import ApusDevice
import ApusGraph
import ApusLowering
import ApusOpenCL
import ApusOperatorSuite
import ApusOperators
import ApusTensor
import ApusVerification
import Testing

@testable import ApusBackends

/// Launches that run as stages of one persistent kernel.
@Suite struct PersistentTests {
    static let devices = OpenCLDevice.all.indices.filter { OpenCLDevice.all[$0].info.hasOrderedAtomics }

    /// One case for every kernel file and every generated kernel that can be a stage.
    @Test(arguments: devices)
    func stagesAgreeWithReference(_ index: Int) throws {
        let device = OpenCLDevice.all[index]
        var certification = Certification(device, repetitions: 3)
        certification.minimumSequenceLength = 1
        var seen: Set<String> = []
        for operatorCase in OperatorSuite.cases {
            let plan = try certification.plan(operatorCase, as: .workItemTile)
            let kernels = Set((plan?.launches ?? []).map { "\($0.launch.program.file) \($0.launch.kernel)" })
            guard !kernels.isSubset(of: seen) else { continue }
            seen.formUnion(kernels)
            let verdict = try certification.judge(operatorCase, as: .workItemTile)
            #expect(verdict.isGood, "\(operatorCase): \(verdict.problem ?? "")")
        }
        #expect(seen.count > 20)
    }

    /// A chain of products: every stage needs all of the one before.
    private func chain(_ length: Int, extent: Int) throws -> (graph: Graph, input: Tensor) {
        var graph = Graph()
        var value = graph.addValue("x")
        graph.inputs = [value]
        let elements = (0..<extent * extent).map { Float(($0 * 7919) % 211) / 211 - 0.5 }
        let weights = try Tensor(shape: [extent, extent], elements)
        for number in 0..<length {
            let constant = graph.addValue("w\(number)")
            graph.constants[constant] = .tensor(weights)
            let result = graph.addValue("y\(number)")
            graph.nodes.append(
                Node(name: "n\(number)", operatorType: "MatMul", inputs: [value, constant], outputs: [result])
            )
            value = result
        }
        graph.outputs = [value]
        return (graph, weights)
    }

    private func bits(_ values: [RuntimeValue]) throws -> [[UInt32]] {
        try values.map { try $0.tensor().array(of: Float.self).map(\.bitPattern) }
    }

    private func executor(_ graph: Graph, _ device: OpenCLDevice, separate: Bool) throws -> OpenCLExecutor {
        var options = ExecutorOptions()
        if separate { options.disabledPasses = [PassPipeline.persistent] } else { options.minimumSequenceLength = 4 }
        return try OpenCLExecutor(graph, on: device, options: options)
    }

    @Test(arguments: devices)
    func resultsHaveTheBitsOfSeparateLaunches(_ index: Int) async throws {
        let device = OpenCLDevice.all[index]
        let (graph, input) = try chain(12, extent: 96)
        let expected = try bits(executor(graph, device, separate: true).run([.tensor(input)], RunOptions()).outputs)
        let together = try executor(graph, device, separate: false)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<100 {
                        let outputs = try together.run([.tensor(input)], RunOptions()).outputs
                        guard try self.bits(outputs) == expected else { return false }
                    }
                    return true
                }
            }
            for try await isEqual in group { #expect(isEqual) }
        }
    }

    @Test(arguments: devices)
    func sequencesEndWhereTheKernelHasNoParameterLeft(_ index: Int) throws {
        let device = OpenCLDevice.all[index]
        let (graph, input) = try chain(12, extent: 64)
        let plan = try #require(try executor(graph, device, separate: true).plan([input.type]))
        guard device.info.executionModel == .workItemTile else { return }
        let whole = LaunchSequence.sequences(of: plan, maximumBuffers: 64, minimumLength: 1)
        #expect(whole.map(\.launches.count) == [plan.launches.count])
        let parts = LaunchSequence.sequences(of: plan, maximumBuffers: 2, minimumLength: 1)
        #expect(parts.allSatisfy { $0.locations.count <= 2 })
        #expect(parts.map(\.launches.count).reduce(0, +) == plan.launches.count)
        #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.steps.upperBound == $1.steps.lowerBound })
        #expect(LaunchSequence.sequences(of: plan, maximumBuffers: 64, minimumLength: 99).isEmpty)
    }

    @Test(arguments: devices)
    func aProgramThatCannotBeLinkedLeavesSeparateLaunches(_ index: Int) throws {
        let device = OpenCLDevice.all[index]
        let (graph, input) = try chain(6, extent: 32)
        let expected = try executor(graph, device, separate: true).run([.tensor(input)], RunOptions()).outputs
        var options = ExecutorOptions()
        options.minimumSequenceLength = 4
        // The name of a stage: a macro of it breaks no program of a single launch.
        options.rewriteKernel = { _, text in "#define stage_0 1\n" + text }
        let cache = ProgramCache(.init(folder: nil))
        let outputs = try OpenCLExecutor(graph, on: device, options: options, cache: cache)
            .run([.tensor(input)], RunOptions()).outputs
        #expect(try bits(outputs) == bits(expected))
        #expect(cache.statistics.sourceBuilds > 0)
    }
}
