package import ApusGraph
package import ApusOperators
package import ApusTensor

/// What still counts as agreement.
package struct ComparisonTolerance: Sendable, Hashable {
    /// The largest relative L2 error of real numbers, where one was asked for.
    package var relativeL2: Double?

    package init(relativeL2: Double? = nil) {
        self.relativeL2 = relativeL2
    }

    /// The largest relative L2 error for a type, by what its mantissa holds and a network accumulates.
    package func bound(_ elementType: ElementType) -> Double {
        if let relativeL2 { return relativeL2 }
        switch elementType {
        case .float64: return 1e-9
        case .float32: return 1e-4
        case .float16: return 1e-2
        default: return 5e-2
        }
    }

    /// Whether a value of the type with these errors agrees: integers and bools must be equal.
    package func accepts(_ metrics: ErrorMetrics, _ elementType: ElementType) -> Bool {
        guard metrics.nonFiniteMismatchCount == 0 else { return false }
        return elementType.isFloatingPoint
            ? metrics.relativeL2 <= bound(elementType) : metrics.mismatchCount == 0
    }
}

/// One imported value, computed and judged.
package struct ComparedValue: Sendable, Hashable, Codable {
    package var name: String
    /// The node that produces the value in the imported graph.
    package var node: String
    package var operatorType: String
    /// The type and shape of the reference.
    package var type: String
    /// `nil` where there are no numbers to compare.
    package var metrics: ErrorMetrics?
    package var isOutput: Bool
    package var isGood: Bool
    /// Why the value is bad, beyond its numbers.
    package var problem: String?
}

/// What a comparison of one run with the reference found.
package struct ComparisonReport: Sendable, Hashable, Codable {
    /// The values that both have, in the order in which the reference computes them.
    package var values: [ComparedValue] = []
    /// Imported values that the run did not keep: they vanished in fusion.
    package var missingCount = 0

    /// The first value in topological order that does not agree.
    package var firstBad: ComparedValue? { values.first { !$0.isGood } }

    /// The value with the largest relative error.
    package var worst: ComparedValue? {
        values.max { ($0.metrics?.relativeL2 ?? 0) < ($1.metrics?.relativeL2 ?? 0) }
    }

    package var isGood: Bool { firstBad == nil }

    /// The verdict in one line.
    package var summary: String {
        guard let bad = firstBad else {
            let error = worst?.metrics?.relativeL2 ?? 0
            let place = worst.map { ", largest relative error \(error) at \"\($0.name)\" (\($0.operatorType))" } ?? ""
            return "\(values.count) values agree\(place)"
        }
        let detail = bad.problem ?? "relative error \(bad.metrics?.relativeL2 ?? 0)"
        let count = values.filter { !$0.isGood }.count
        return
            "first bad layer: node \"\(bad.node)\" (\(bad.operatorType)), value \"\(bad.name)\" \(bad.type): \(detail); "
            + "\(count) of \(values.count) values are bad"
    }

    private enum CodingKeys: String, CodingKey { case values, missingCount = "missing_values" }
}

/// Compares the imported values of a run with what the reference interpreter computes.
package struct GraphComparison: Sendable {
    /// The imported graph, before passes.
    package var graph: Graph
    package var tolerance: ComparisonTolerance
    package var table: OperatorTable
    package var limits: EvaluationLimits

    package init(
        _ graph: Graph,
        tolerance: ComparisonTolerance = ComparisonTolerance(),
        table: OperatorTable = .standard,
        limits: EvaluationLimits = EvaluationLimits()
    ) {
        self.graph = graph
        self.tolerance = tolerance
        self.table = table
        self.limits = limits
    }

    /// Interprets the graph and judges every value that the run computed too; references are not kept.
    ///
    /// - Parameters:
    ///   - inputs: one value for each graph input, in order.
    ///   - observed: imported values of the run by name.
    ///   - outputs: the outputs of the run, in order.
    /// - Throws: `ModelError` if the reference cannot evaluate the graph.
    package func run(
        _ inputs: [RuntimeValue],
        observed: [String: RuntimeValue],
        outputs: [RuntimeValue]
    ) throws -> ComparisonReport {
        guard outputs.count == graph.outputs.count else {
            throw ModelError(.invalidInput, "expected \(graph.outputs.count) outputs, found \(outputs.count)")
        }
        var computed = observed
        for (id, value) in zip(graph.outputs, outputs) { computed[graph[id].name] = value }
        let outputIDs = Set(graph.outputs)
        let uses = GraphUses(graph)
        var report = ComparisonReport()
        _ = try GraphInterpreter(graph, table: table, limits: limits).run(inputs) { id, reference in
            guard graph[id].isImported || outputIDs.contains(id) else { return }
            guard let value = computed[graph[id].name] else {
                report.missingCount += 1
                return
            }
            let node = uses.producer[id].map { graph.nodes[$0] }
            var judged = judge(reference, value)
            judged.name = graph[id].name
            judged.node = node?.name ?? ""
            judged.operatorType = node?.displayType ?? ""
            judged.isOutput = outputIDs.contains(id)
            report.values.append(judged)
        }
        return report
    }

    private func judge(_ reference: RuntimeValue, _ computed: RuntimeValue) -> ComparedValue {
        var result = ComparedValue(
            name: "",
            node: "",
            operatorType: "",
            type: reference.kind,
            isOutput: false,
            isGood: false
        )
        switch (reference, computed) {
        case (.tensor(let a), .tensor(let b)):
            result.type = a.type.description
            do {
                let metrics = try ErrorMetrics(reference: a, computed: b)
                result.metrics = metrics
                result.isGood = tolerance.accepts(metrics, a.elementType)
                if metrics.nonFiniteMismatchCount > 0 {
                    result.problem =
                        "\(metrics.nonFiniteMismatchCount) elements are infinite or not a number in one of both"
                }
            } catch {
                result.problem = error.message
            }
        case (.strings(let a), .strings(let b)):
            result.isGood = a == b
            if a != b { result.problem = "the strings differ" }
        case (.sequence(let a), .sequence(let b)):
            guard a.count == b.count else {
                result.problem = "expected a sequence of \(a.count), found \(b.count)"
                return result
            }
            judge(zip(a, b).map { judge($0, $1) }, into: &result)
        case (.optional(let a), .optional(let b)):
            switch (a, b) {
            case (nil, nil): result.isGood = true
            case (let a?, let b?): judge([judge(a, b)], into: &result)
            default: result.problem = "expected \(reference.kind), found \(computed.kind)"
            }
        default: result.problem = "expected \(reference.kind), found \(computed.kind)"
        }
        return result
    }

    /// A value is as good as its worst element.
    private func judge(_ elements: [ComparedValue], into result: inout ComparedValue) {
        result.isGood = elements.allSatisfy(\.isGood)
        let worst =
            elements.first { !$0.isGood }
            ?? elements.max { ($0.metrics?.relativeL2 ?? 0) < ($1.metrics?.relativeL2 ?? 0) }
        result.metrics = worst?.metrics
        result.problem = worst?.problem
    }
}
