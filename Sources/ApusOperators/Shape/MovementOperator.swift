import ApusGraph
import ApusTensor

/// An operator that moves elements without reading them as numbers, so that it serves strings as well.
///
/// Where input 0 is opaque or data-dependent, so are all outputs.
protocol MovementOperator: Operator {
    /// The number of outputs of the node.
    var outputCount: Int { get }

    /// The shape rule for numeric inputs of known shapes.
    func inferMovement(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact]

    /// The reference for numeric inputs.
    func move(_ inputs: [RuntimeValue?]) throws -> [RuntimeValue]
}

extension MovementOperator {
    var outputCount: Int { 1 }

    package func infer(_ inputs: [ValueFact?]) throws(ModelError) -> [ValueFact] {
        if case .opaque?? = inputs.first { return [ValueFact](repeating: .opaque, count: outputCount) }
        if inputs.isDataDependent {
            return [ValueFact](repeating: .dataDependent(try inputs.elementType(0)), count: outputCount)
        }
        return try inferMovement(inputs)
    }

    package func evaluate(_ inputs: [RuntimeValue?], _ context: EvaluationContext) throws -> [RuntimeValue] {
        var strings: [[UInt8]] = []
        var numbered = inputs
        for (index, input) in inputs.enumerated() {
            guard case .strings(let tensor)? = input else { continue }
            let type = TensorType(.int64, tensor.shape)
            let places = Array(strings.count..<strings.count + tensor.elements.count)
            numbered[index] = .tensor(try Tensor(type, wrapping: places))
            strings += tensor.elements
        }
        guard case .strings? = inputs.first ?? nil else { return try move(inputs) }
        for fact in try inferMovement(numbered.map { $0.map(ValueFact.init) }) {
            if let type = fact.type { try context.limits.check(type) }
        }
        return try move(numbered).map { result in
            let places = try result.tensor()
            return .strings(
                try StringTensor(
                    shape: places.shape,
                    places.integers().map { strings.indices.contains($0) ? strings[$0] : [] }
                )
            )
        }
    }
}

extension Array where Element == ValueFact? {
    /// The integers of an input whose value is known; `nil` where it is left out or not known before the run.
    ///
    /// - Throws: `ModelError` if the input is no vector or scalar of integers.
    func knownIntegers(_ index: Int) throws(ModelError) -> [Int]? {
        guard let value = value(index) else { return nil }
        guard value.rank <= 1 else {
            throw ModelError(.invalidModel, "input \(index) has the shape \(value.shape), expected one dimension")
        }
        return try value.integers()
    }
}

/// A product of extents.
///
/// - Throws: `ModelError` with code `limitExceeded` on overflow.
func checkedProduct(_ factors: some Sequence<Int>) throws(ModelError) -> Int {
    var product = 1
    for factor in factors {
        let (value, overflow) = product.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw ModelError(.limitExceeded, "the product of extents overflows") }
        product = value
    }
    return product
}

/// A sum of extents.
///
/// - Throws: `ModelError` with code `limitExceeded` on overflow.
func checkedSum(_ terms: Int...) throws(ModelError) -> Int {
    var sum = 0
    for term in terms {
        let (value, overflow) = sum.addingReportingOverflow(term)
        guard !overflow else { throw ModelError(.limitExceeded, "the sum of extents overflows") }
        sum = value
    }
    return sum
}
