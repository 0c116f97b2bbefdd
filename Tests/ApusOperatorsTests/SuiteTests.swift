import ApusGraph
import ApusOperatorSuite
import ApusOperators
import ApusTensor
import Testing

@Suite struct SuiteTests {
    @Test func everyOperatorHasFiveCases() {
        let counts = Dictionary(OperatorSuite.cases.map { ("\($0.domain):\($0.operatorType)", 1) }, uniquingKeysWith: +)
        let poor = OperatorTable.standard.types.keys.sorted().filter { (counts["\($0.domain):\($0.name)"] ?? 0) < 5 }
        #expect(poor.map { "\($0.domain):\($0.name)" } == [])
    }

    @Test func everyCaseNamesARegisteredOperator() {
        let known = Set(OperatorTable.standard.types.keys.map { "\($0.domain):\($0.name)" })
        let unknown = OperatorSuite.cases.filter { !known.contains("\($0.domain):\($0.operatorType)") }
        #expect(unknown.map(\.description) == [])
    }

    @Test func caseNamesAreDistinct() {
        let counts = Dictionary(OperatorSuite.cases.map { ("\($0.domain):\($0)", 1) }, uniquingKeysWith: +)
        #expect(counts.filter { $0.value > 1 }.keys.sorted() == [])
    }

    @Test(arguments: OperatorSuite.cases.indices)
    func theShapeRuleForetellsTheResult(index: Int) throws {
        let item = OperatorSuite.cases[index]
        let (graph, inputs) = try item.makeGraph()
        let node = try #require(graph.nodes.first)
        let results = try GraphInterpreter(graph).run(inputs)
        let facts = try OperatorTable.standard.makeOperator(node).infer(
            node.inputs.map { id in
                guard let id else { return nil }
                if let constant = graph.constants[id] { return ValueFact(constant) }
                guard let place = graph.inputs.firstIndex(of: id) else { return .opaque }
                if case .tensor(let tensor) = inputs[place] { return ValueFact(tensor.type) }
                return .opaque
            }
        )
        #expect(facts.count == results.count, "\(item)")
        for (fact, result) in zip(facts, results) {
            switch fact {
            case .tensor(let type, let value):
                let tensor = try result.tensor()
                #expect(type == tensor.type, "\(item)")
                if let value { #expect(bytes(value) == bytes(tensor), "\(item)") }
            case .dataDependent(let elementType):
                #expect(try result.tensor().elementType == elementType, "\(item)")
            case .opaque: break
            }
        }
    }

    @Test(arguments: OperatorSuite.cases.indices)
    func dataDependentInputsMakeDataDependentOutputs(index: Int) throws {
        let item = OperatorSuite.cases[index]
        let (graph, inputs) = try item.makeGraph()
        let node = try #require(graph.nodes.first)
        let values = graph.constants.merging(zip(graph.inputs, inputs)) { first, _ in first }
        guard case .tensor? = node.inputs.first.flatMap({ $0 }).flatMap({ values[$0] }) else { return }
        let facts = node.inputs.enumerated().map { place, id -> ValueFact? in
            guard let id, case .tensor(let tensor)? = values[id] else { return id == nil ? nil : .opaque }
            return place == 0 ? .dataDependent(tensor.elementType) : ValueFact(.tensor(tensor))
        }
        for fact in try OperatorTable.standard.makeOperator(node).infer(facts) {
            guard let type = fact.type else { continue }
            #expect(["Size", "OptionalHasElement"].contains(item.operatorType), "\(item) claims \(type)")
        }
    }
}

private func bytes(_ tensor: Tensor) -> [UInt8] { tensor.withUnsafeBytes { Array($0) } }
