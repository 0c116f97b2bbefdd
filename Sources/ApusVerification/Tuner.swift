import ApusBackends
import ApusCompiler
package import ApusDevice
import ApusGraph
package import ApusLowering
package import ApusOpenCL
import ApusOperators
import ApusTensor

/// Measures the variants of kernels that an analytic rank leaves, and refuses those that disagree with the reference.
///
/// Each variant runs as a model of one layer with the layer's own constants and seeded inputs. Where the reference would
/// take long, it judges the first rows of the layer's result, computed by the same variant.
package struct Tuner: Sendable {
    /// A variant that must not be used for a problem.
    package struct RefusedChoice: Sendable, Hashable {
        package var choice: TuningChoice
        package var reason: String
    }

    /// What was found for a problem.
    package struct Outcome: Sendable {
        package var problem: TuningProblem
        /// What is taken without tuning.
        package var standard: TuningChoice { problem.candidates[0] }
        /// What is taken from now on; the standard unless another one is faster by the margin.
        package var choice: TuningChoice
        /// The median time of the standard in nanoseconds, by device events; `nil` where it is refused.
        package var standardNanoseconds: Double?
        package var nanoseconds: Double
        package var refused: [RefusedChoice]
    }

    package let device: OpenCLDevice
    package let cache: ProgramCache
    /// What the device is not trusted with.
    package var tuning: TuningTable
    /// The most variants that are measured for a problem.
    package var candidateCount = 4
    /// The part of the standard's time that another variant must save.
    package var margin = 0.03
    /// The most operations that the reference computes for a check: about a second of a few cores.
    package var referenceOperations = 400_000_000
    /// Changes the text of kernels before they are built, for tests.
    package var rewriteKernel: (@Sendable (KernelProgram, String) -> String)?

    package init(_ device: OpenCLDevice, cache: ProgramCache = .shared) {
        self.device = device
        self.cache = cache
        tuning = TuningTable(refusalsOn: device.info, in: cache)
    }

    /// Judges and measures the variants of a problem.
    ///
    /// - Returns: `nil` if the device computes the layer right with none of them.
    /// - Throws: `ModelError` if the reference cannot evaluate the layer.
    package func tune(_ problem: TuningProblem) throws -> Outcome? {
        var refused: [RefusedChoice] = []
        var variants: [Variant] = []
        let inputs = try problem.layer.seededInputs()
        let check = try Check(problem, limit: referenceOperations)
        for choice in problem.candidates.prefix(max(1, candidateCount)) {
            do {
                // Beside other layers a layer may have choices that it has not alone.
                guard let checking = try checkingExecutor(choice, check, problem) else { continue }
                if let reason = try disagreement(checking, check) {
                    refused.append(RefusedChoice(choice: choice, reason: reason))
                } else if let variant = try Variant(choice, executor(problem.layer, choice, problem.key), problem.layer)
                {
                    variants.append(variant)
                }
            } catch let error as BackendError {
                refused.append(RefusedChoice(choice: choice, reason: error.message))
            }
        }
        try measure(variants, inputs, minimumRounds: 5, milliseconds: 200)
        let standard = variants.first { $0.choice == problem.candidates[0] }
        guard var best = variants.min(by: { $0.median < $1.median }) else { return nil }
        if let standard, best !== standard {
            // The least of several noisy medians is too small: only a second look at two of them is fair.
            best.samples = []
            standard.samples = []
            try measure([standard, best], inputs, minimumRounds: 7, milliseconds: 200)
            if best.median > standard.median * (1 - margin) { best = standard }
        }
        return Outcome(
            problem: problem,
            choice: best.choice,
            standardNanoseconds: standard?.median,
            nanoseconds: best.median,
            refused: refused
        )
    }

    /// A layer as the reference judges it.
    private struct Check {
        let layer: SingleLayer
        let inputs: [RuntimeValue]
        let expected: Tensor
        let tolerance: Double

        init(_ problem: TuningProblem, limit: Int) throws {
            layer = problem.layer.cropped(operations: problem.operations, to: limit) ?? problem.layer
            inputs = try layer.seededInputs()
            guard case .tensor(let tensor)? = try GraphInterpreter(layer.graph).run(inputs).first else {
                throw ModelError(.unsupported, "the layer \"\(layer.node.name)\" makes no tensor")
            }
            expected = tensor
            tolerance = Tuner.tolerance(tensor.elementType)
        }
    }

    /// The largest relative L2 error, that of the operator suite's longest sums.
    private static func tolerance(_ type: ElementType) -> Double {
        switch type {
        case .float16: 1e-3
        case .bfloat16: 8e-3
        default: 5e-6
        }
    }

    /// Runs the layer that the reference judges by a variant; `nil` if it does not serve that layer.
    private func checkingExecutor(
        _ choice: TuningChoice,
        _ check: Check,
        _ problem: TuningProblem
    ) throws -> OpenCLExecutor? {
        let whole = try executor(check.layer, choice, problem.key)
        guard let decision = try whole.plan(check.layer.types)?.nodes.first?.decision else { return nil }
        if decision.choice == choice { return whole }
        // The rows make a problem of their own.
        let cropped = try executor(check.layer, choice, decision.key)
        return try cropped.plan(check.layer.types)?.nodes.first?.decision?.choice == choice ? cropped : nil
    }

    /// Why a variant must not be used; `nil` if it agrees with the reference.
    private func disagreement(_ executor: OpenCLExecutor, _ check: Check) throws -> String? {
        guard case .tensor(let found)? = try executor.run(check.inputs, RunOptions()).outputs.first else {
            return "it makes no tensor"
        }
        let error = relativeError(found, check.expected)
        return error <= check.tolerance
            ? nil : "relative L2 error \(error) against the reference, expected at most \(check.tolerance)"
    }

    /// Runs one layer by one variant.
    private func executor(
        _ layer: SingleLayer,
        _ choice: TuningChoice,
        _ key: TuningKey
    ) throws -> OpenCLExecutor {
        var options = ExecutorOptions()
        options.disabledPasses = Set(PassPipeline.standard.map(\.name) + [PassPipeline.persistent])
        options.fallback = .never
        options.rewriteKernel = rewriteKernel
        var forced = tuning
        forced.choices[key] = choice
        return try OpenCLExecutor(layer.graph, on: device, options: options, tuning: forced, cache: cache)
    }

    /// A variant that agreed, with its times.
    private final class Variant {
        let choice: TuningChoice
        let executor: OpenCLExecutor
        /// The kernels of the operator itself: copies between layouts belong to its neighbours.
        private let kernels: Set<String>
        var samples: [Double] = []

        var median: Double {
            let sorted = samples.sorted()
            return sorted.isEmpty ? .infinity : sorted[sorted.count / 2]
        }

        /// - Returns: `nil` where the layer does not take the choice.
        init?(_ choice: TuningChoice, _ executor: OpenCLExecutor, _ layer: SingleLayer) throws {
            let plan = try executor.plan(layer.types)
            guard let plan, plan.nodes.first?.decision?.choice == choice else { return nil }
            self.choice = choice
            self.executor = executor
            let folders = ["convolution/", "depthwise/", "gemm/"]
            kernels = Set(
                plan.launches.map(\.launch).filter { launch in
                    folders.contains { launch.program.file.hasPrefix($0) }
                }.map(\.kernel)
            )
        }

        func run(_ inputs: [RuntimeValue]) throws -> Double {
            let profile = RunProfile()
            _ = try executor.run(inputs, RunOptions(profile: profile))
            return profile.entries.filter { $0.kind == .kernel && kernels.contains($0.name) }
                .reduce(0) { $0 + Double($1.nanoseconds) }
        }
    }

    /// Runs the variants in turn, so that what disturbs the machine disturbs all of them.
    private func measure(
        _ variants: [Variant],
        _ inputs: [RuntimeValue],
        minimumRounds: Int,
        milliseconds: Int
    ) throws {
        for variant in variants { for _ in 0..<2 { _ = try variant.run(inputs) } }
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        var rounds = 0
        while rounds < minimumRounds || (rounds < 50 && ContinuousClock.now < end) {
            for variant in variants { variant.samples.append(try variant.run(inputs)) }
            rounds += 1
        }
    }
}

extension Tuner.Outcome {
    /// What is to be remembered; `nil` where the standard is best.
    package var tuned: TunedChoice? {
        choice == standard
            ? nil : TunedChoice(key: problem.key, choice: choice, digest: tuningDigest(problem.key))
    }
}

extension ProgramCache {
    /// Puts the outcomes in the place of what was known of the same problems.
    ///
    /// - Returns: whether it was written.
    @discardableResult
    package func remember(outcomes: [Tuner.Outcome], on info: DeviceInfo) -> Bool {
        let measured = Set(outcomes.map(\.problem.key))
        let kept = validChoices(on: info).filter { !measured.contains($0.key) }
        return remember(tuned: kept + outcomes.compactMap(\.tuned), on: info)
    }
}
