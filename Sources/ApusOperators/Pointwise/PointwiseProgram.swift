import ApusGraph
import ApusTensor

/// A formula as a list of instructions over registers, each a block of lanes: `Double` for real types, else `Int64`.
struct PointwiseProgram: Sendable {
    enum Operation: Sendable, Hashable {
        case load(Int)
        case constant(Double)
        case unary(UnaryFunction)
        case binary(BinaryFunction)
        case power(exponent: ElementType)
        case select
        case cast(from: ElementType)
    }

    struct Instruction: Sendable, Hashable {
        var operation: Operation
        /// The type of the operands; of the result for casts, loads and constants.
        var type: ElementType
        /// The registers of the operands.
        var a = 0
        var b = 0
        var c = 0
    }

    /// Instruction n writes register n.
    private(set) var instructions: [Instruction] = []
    private let types: [ElementType]

    static let blockLength = 1024

    init(_ expression: PointwiseExpression, _ types: [ElementType]) throws(ModelError) {
        self.types = types
        var known: [Instruction: Int] = [:]
        _ = try compile(expression, beside: nil, &known)
    }

    private mutating func emit(_ instruction: Instruction, _ known: inout [Instruction: Int]) -> Int {
        if let register = known[instruction] { return register }
        instructions.append(instruction)
        known[instruction] = instructions.count - 1
        return instructions.count - 1
    }

    private func common(_ a: PointwiseExpression, _ b: PointwiseExpression) throws(ModelError) -> ElementType? {
        if let type = try a.resultType(types) { return type }
        return try b.resultType(types)
    }

    private mutating func compile(
        _ expression: PointwiseExpression,
        beside: ElementType?,
        _ known: inout [Instruction: Int]
    ) throws(ModelError) -> Int {
        switch expression {
        case .input(let index): return emit(Instruction(operation: .load(index), type: types[index]), &known)
        case .constant(let value):
            return emit(Instruction(operation: .constant(value), type: beside ?? .float32), &known)
        case .unary(let function, let operand):
            let type = try operand.resultType(types) ?? beside ?? .float32
            let a = try compile(operand, beside: type, &known)
            return emit(Instruction(operation: .unary(function), type: type, a: a), &known)
        case .cast(let target, let operand):
            let type = try operand.resultType(types) ?? .float64
            let a = try compile(operand, beside: type, &known)
            return emit(Instruction(operation: .cast(from: type), type: target, a: a), &known)
        case .binary(.power, let base, let exponent):
            let exponentType = try exponent.resultType(types)
            let type = try base.resultType(types) ?? exponentType ?? beside ?? .float32
            let a = try compile(base, beside: type, &known)
            let integral = if case .constant(let value) = exponent { value == value.rounded() } else { false }
            let constantType: ElementType = type.isFloatingPoint || integral ? type : .float64
            let b = try compile(exponent, beside: exponentType ?? constantType, &known)
            let operation = Operation.power(exponent: exponentType ?? constantType)
            return emit(Instruction(operation: operation, type: type, a: a, b: b), &known)
        case .binary(let function, let first, let second):
            let context = function.isComparison ? nil : beside
            let type = try common(first, second) ?? context ?? .float32
            let a = try compile(first, beside: type, &known)
            let b = try compile(second, beside: type, &known)
            return emit(Instruction(operation: .binary(function), type: type, a: a, b: b), &known)
        case .select(let condition, let first, let second):
            let type = try common(first, second) ?? beside ?? .float32
            let a = try compile(condition, beside: .bool, &known)
            let b = try compile(first, beside: type, &known)
            let c = try compile(second, beside: type, &known)
            return emit(Instruction(operation: .select, type: type, a: a, b: b, c: c), &known)
        }
    }

    /// Evaluates the formula on tensors of the given types, broadcast to a valid result type.
    func run(_ operands: [Tensor], _ result: TensorType) -> Tensor {
        let views = StridedViews(result.shape, operands.map { broadcastStrides($0.shape, to: result.shape) })
        let bases = operands.map { $0.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }
        return withExtendedLifetime(operands) {
            Tensor(result) { bytes in
                guard result.elementCount > 0, let output = bytes.baseAddress else { return }
                parallelFor(result.elementCount, grain: 16 * Self.blockLength) { range in
                    let capacity = instructions.count * Self.blockLength
                    withUnsafeTemporaryAllocation(of: Double.self, capacity: capacity) { memory in
                        guard let registers = memory.baseAddress else { return }
                        fillConstants(registers)
                        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockLength) {
                            let count = min(Self.blockLength, range.upperBound - start)
                            runBlock(start, count, registers, operands, bases, views)
                            store(registers, count, result.elementType, output, start)
                        }
                    }
                }
            }
        }
    }

    private func fillConstants(_ registers: UnsafeMutablePointer<Double>) {
        for (index, instruction) in instructions.enumerated() {
            guard case .constant(let value) = instruction.operation else { continue }
            let lanes = Lanes(registers, index, Self.blockLength)
            if instruction.type.isFloatingPoint {
                lanes.doubles.update(repeating: value)
            } else {
                lanes.integers.update(repeating: instruction.type.integer(value))
            }
        }
    }

    private func store(
        _ registers: UnsafeMutablePointer<Double>,
        _ count: Int,
        _ type: ElementType,
        _ output: UnsafeMutableRawPointer,
        _ start: Int
    ) {
        let lanes = Lanes(registers, instructions.count - 1, count)
        if type.isFloatingPoint {
            type.write(UnsafeBufferPointer(lanes.doubles), to: output, start: start)
        } else {
            type.write(UnsafeBufferPointer(lanes.integers), to: output, start: start)
        }
    }

    private func runBlock(
        _ start: Int,
        _ count: Int,
        _ registers: UnsafeMutablePointer<Double>,
        _ operands: [Tensor],
        _ bases: [UInt],
        _ views: StridedViews
    ) {
        for (index, instruction) in instructions.enumerated() {
            let target = Lanes(registers, index, count)
            let a = Lanes(registers, instruction.a, count)
            let b = Lanes(registers, instruction.b, count)
            let type = instruction.type
            switch instruction.operation {
            case .constant: break
            case .load(let operand):
                guard let base = UnsafeRawPointer(bitPattern: bases[operand]) else { break }
                views.forEachRun(operand, start, count) { offset, element, stride, length in
                    if type.isFloatingPoint {
                        let lanes = UnsafeMutableBufferPointer(rebasing: target.doubles[offset..<offset + length])
                        type.readDoubles(base, start: element, stride: stride, into: lanes)
                    } else {
                        let lanes = UnsafeMutableBufferPointer(rebasing: target.integers[offset..<offset + length])
                        type.readIntegers(base, start: element, stride: stride, into: lanes)
                    }
                }
            case .unary(let function):
                if type.isFloatingPoint { function.apply(a, target) } else { function.apply(a, target, type) }
            case .binary(let function):
                if type.isFloatingPoint { function.apply(a, b, target) } else { function.apply(a, b, target, type) }
            case .power(let exponent): applyPower(a, type, b, exponent, target)
            case .select:
                let c = Lanes(registers, instruction.c, count)
                for lane in 0..<count {
                    target.integers[lane] = a.integers[lane] != 0 ? b.integers[lane] : c.integers[lane]
                }
            case .cast(let source): applyCast(a, source, type, target)
            }
        }
    }
}

/// One register seen as real numbers or as integers.
struct Lanes {
    let doubles: UnsafeMutableBufferPointer<Double>
    let integers: UnsafeMutableBufferPointer<Int64>

    init(_ registers: UnsafeMutablePointer<Double>, _ index: Int, _ count: Int) {
        let start = registers + index * PointwiseProgram.blockLength
        doubles = UnsafeMutableBufferPointer(start: start, count: count)
        let raw = UnsafeMutableRawPointer(start).assumingMemoryBound(to: Int64.self)
        integers = UnsafeMutableBufferPointer(start: raw, count: count)
    }
}
