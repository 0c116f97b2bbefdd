import ApusGraph
import ApusTensor
import ApusVerification
import Testing

@Suite struct ErrorMetricsTests {
    private func metrics(_ a: [Float], _ b: [Float]) throws -> ErrorMetrics {
        try ErrorMetrics(reference: Tensor(vector: a), computed: Tensor(vector: b))
    }

    @Test func equalTensorsHaveNoError() throws {
        let values: [Float] = [1, -2, .nan, .infinity, 0]
        let result = try metrics(values, values)
        #expect(result.mismatchCount == 0 && result.nonFiniteMismatchCount == 0)
        #expect(result.relativeL2 == 0 && result.cosine == 1 && result.maximumULPs == 0)
    }

    @Test func normsFollowTheirDefinitions() throws {
        let result = try metrics([3, 4, 0], [3, 4.5, -1])
        #expect(result.elementCount == 3 && result.mismatchCount == 2)
        #expect(result.l1 == 1.5 && result.maximumAbsolute == 1 && result.maximumRelative == 0.25)
        #expect(abs(result.relativeL2 - 1.25.squareRoot() / 5) < 1e-15)
        #expect(abs(result.cosine - 27 / (5 * (9 + 20.25 + 1).squareRoot())) < 1e-15)
        #expect(result.worstIndex == 2 && result.worstReference == 0 && result.worstComputed == -1)
    }

    @Test func stepsInTheLastPlaceCrossZero() throws {
        #expect(try metrics([1], [Float(1).nextUp.nextUp]).maximumULPs == 2)
        #expect(try metrics([.leastNonzeroMagnitude], [-.leastNonzeroMagnitude]).maximumULPs == 2)
        let half = try ErrorMetrics(
            reference: Tensor(TensorType(.float16, [1]), rounding: [1]),
            computed: Tensor(TensorType(.float16, [1]), rounding: [1 + 0x1p-10])
        )
        #expect(half.maximumULPs == 1)
    }

    @Test func numbersThatAreNotFiniteAreCountedApart() throws {
        let result = try metrics([1, .infinity, 2, .nan], [.nan, -.infinity, 2, .nan])
        #expect(result.nonFiniteMismatchCount == 2 && result.worstIndex == 0)
        #expect(result.relativeL2 == 0)
        #expect(!ComparisonTolerance().accepts(result, .float32))
    }

    @Test func everyNumberStaysFinite() throws {
        let large = try ErrorMetrics(
            reference: Tensor(vector: [1e300, -1e300]),
            computed: Tensor(vector: [-1e300, 1e300])
        )
        for value in [large.relativeL2, large.cosine, large.l1, large.maximumRelative] { #expect(value.isFinite) }
        let nothing = try metrics([0], [1])
        #expect(nothing.relativeL2 == .greatestFiniteMagnitude && nothing.cosine == 0)
    }

    @Test func longTensorsAreReadToTheEnd() throws {
        let values = (0..<10_001).map { Int32($0) }
        var others = values
        others[10_000] += 3
        let result = try ErrorMetrics(reference: Tensor(vector: values), computed: Tensor(vector: others))
        #expect(result.mismatchCount == 1 && result.maximumAbsolute == 3 && result.worstIndex == 10_000)
        #expect(!ComparisonTolerance().accepts(result, .int32))
    }

    @Test func otherTypesAreRefused() throws {
        #expect(throws: ModelError.self) {
            try ErrorMetrics(reference: Tensor(vector: [Float(1)]), computed: Tensor(vector: [Double(1)]))
        }
    }
}

@Suite struct GraphComparisonTests {
    private func chain() -> Graph {
        var graph = Graph(name: "chain")
        var value = graph.addInput("x", type: .tensor(.float32, [.known(2)]))
        for name in ["a", "b", "c"] {
            value = graph.addNode("Neg", name: "node_\(name)", inputs: [value], outputNames: [name])[0]
            graph[value].isImported = name != "b"
        }
        graph.outputs = [value]
        return graph
    }

    private func run(a: [Float], c: [Float]) throws -> ComparisonReport {
        try GraphComparison(chain()).run(
            [.tensor(Tensor(vector: [Float(1), 2]))],
            observed: ["a": .tensor(Tensor(vector: a)), "b": .tensor(Tensor(vector: [Float(9), 9]))],
            outputs: [.tensor(Tensor(vector: c))]
        )
    }

    @Test func agreementIsReported() throws {
        let report = try run(a: [-1, -2], c: [-1, -2])
        #expect(report.isGood && report.firstBad == nil && report.missingCount == 0)
        #expect(report.values.map(\.name) == ["a", "c"])
        #expect(report.values.map(\.isOutput) == [false, true])
    }

    @Test func theFirstBadLayerIsNamed() throws {
        let report = try run(a: [-1, -2.1], c: [-1, -2.1])
        #expect(report.firstBad?.node == "node_a" && report.firstBad?.operatorType == "Neg")
        #expect(report.summary.contains("node_a") && report.summary.contains("2 of 2"))
        #expect(report.worst?.isGood == false)
    }

    @Test func otherShapesAreAProblem() throws {
        let report = try run(a: [-1], c: [-1, -2])
        #expect(report.values.map(\.isGood) == [false, true])
        #expect(report.firstBad?.problem?.contains("float32[2]") == true)
    }
}
