import ApusBackends
import ApusCompiler
import ApusDevice
import ApusGraph
import ApusOpenCL
import ApusOperators
import ApusTensor
import Dispatch
import Foundation
import Synchronization
import Testing

/// Stages with kernels, with the reference, and with executors that only take notes.
@Suite struct StagedExecutorTests {
    /// A placement of one stage a name, each with the nodes given by index.
    private func placement(_ graph: Graph, _ stages: [(name: String, device: Int, nodes: [Int])]) -> Placement {
        var result = Placement(single: graph)
        result.stages = stages.map { Placement.Stage(name: $0.name, device: $0.device) }
        for (index, stage) in stages.enumerated() {
            for node in stage.nodes { result.assignments[node].stage = index }
        }
        return result
    }

    private var devices: [StageDevice] {
        get throws {
            let first = try #require(OpenCLDevice.all.first)
            return [StageDevice(label: "opencl:0 first", openCL: first), StageDevice(label: "reference", openCL: nil)]
        }
    }

    private func executor(_ graph: Graph, _ placement: Placement) throws -> StagedExecutor {
        try StagedExecutor(graph, placement, on: devices, options: ExecutorOptions()) { stage, device in
            if let openCL = device.openCL {
                return try OpenCLExecutor(stage.graph, on: openCL, knownInputs: stage.knownInputs)
            }
            return try ReferenceExecutor(stage.graph)
        }
    }

    private func expectEqual(_ executor: StagedExecutor, _ inputs: [RuntimeValue]) throws {
        let expected = try GraphInterpreter(executor.graph).run(inputs)
        let found = try executor.run(inputs, RunOptions()).outputs
        #expect(found.count == expected.count)
        for (found, expected) in zip(found, expected) {
            let (found, expected) = (try found.tensor(), try expected.tensor())
            #expect(found.type == expected.type)
            if expected.elementType == .int64 {
                #expect(try found.array(of: Int64.self) == expected.array(of: Int64.self))
                continue
            }
            for (x, y) in zip(try found.array(of: Float.self), try expected.array(of: Float.self)) {
                #expect(abs(x - y) <= 1e-5 * max(1, abs(y)), "\(x) \(y)")
            }
        }
    }

    /// `x[n,4]`, halved in rows by a reshape whose numbers come from the shape of `x`; two branches that join.
    private func branches() throws -> Graph {
        var graph = Graph(name: "branches")
        let x = graph.addInput("x", type: .tensor(.float32, [.symbol("n"), .known(4)]))
        let factors = graph.addConstant("factors", .tensor(Tensor(vector: [Int64(2), 2])))
        let one = graph.addConstant("one", .tensor(Tensor(vector: [Int64(1), 4])))
        func node(_ type: String, _ inputs: [ValueID?]) -> ValueID {
            graph.addNode(type, name: type, inputs: inputs, outputNames: [type])[0]
        }
        let relu = node("Relu", [x])  // 0
        let shape = node("Shape", [relu])  // 1
        let divided = node("Div", [shape, one])  // 2: [n, 1]
        let wide = node("Mul", [divided, factors])  // 3: [2n, 2]
        let reshaped = node("Reshape", [relu, wide])  // 4
        let left = node("Exp", [reshaped])  // 5
        let right = node("Neg", [reshaped])  // 6
        let joined = node("Add", [left, right])  // 7
        graph.outputs = [joined, wide]
        return graph
    }

    @Test func branchesAndShapesCrossDevices() throws {
        let graph = try branches()
        let placed = placement(
            graph,
            [("start", 1, [0, 1, 2, 3]), ("left", 0, [4, 5]), ("right", 1, [6]), ("end", 0, [7])]
        )
        let executor = try executor(graph, placed)
        #expect(executor.staged.stages.map(\.level) == [0, 1, 2, 3])
        #expect(executor.staged.stages[1].knownInputs.count == 1)
        for rows in [3, 1, 5, 3] {
            let x = try Tensor(shape: [rows, 4], (0..<rows * 4).map { Float($0 % 5) - 2 })
            try expectEqual(executor, [.tensor(x)])
        }
        let left = try #require(executor.stages[1].executor as? OpenCLExecutor)
        #expect(left.planCounts.misses == 3 && left.planCounts.hits == 1)
        let plans = try executor.plans([ValueFact(TensorType(.float32, [3, 4]))])
        #expect(plans.map { $0 == nil } == [true, false, true, false])
        #expect(plans[1]?.cut == nil && plans[1]?.hostNodes.isEmpty == true)
    }

    /// Equal types with other numbers need other plans.
    @Test func knownValuesAreInTheKeyOfPlans() throws {
        var graph = Graph(name: "reshape")
        let x = graph.addInput("x", type: .tensor(.float32, [.known(12)]))
        let shape = graph.addInput("shape", type: .tensor(.int64, [.known(2)]))
        graph.outputs = graph.addNode("Reshape", name: "reshape", inputs: [x, shape], outputNames: ["y"])
        graph.outputs += graph.addNode("Exp", name: "exp", inputs: [graph.outputs[0]], outputNames: ["z"])
        let device = try #require(OpenCLDevice.all.first)
        let executor = try OpenCLExecutor(graph, on: device, knownInputs: [shape])
        for extents in [[3, 4], [2, 6], [12, 1], [3, 4]] as [[Int64]] {
            let inputs = [
                RuntimeValue.tensor(Tensor(vector: (0..<12).map { Float($0) / 8 })), .tensor(Tensor(vector: extents)),
            ]
            let outputs = try executor.run(inputs, RunOptions()).outputs
            for output in outputs { #expect(try output.tensor().shape == extents.map { Int($0) }) }
            #expect(try outputs[1].tensor().array(of: Float.self).last?.rounded() == 4)
        }
        #expect(executor.planCounts.misses == 3 && executor.planCounts.hits == 1)
    }

    @Test func shapesThatDependOnDataAreBoundWhenKnown() throws {
        var graph = Graph(name: "nonzero")
        let x = graph.addInput("x", type: .tensor(.float32, [.symbol("n")]))
        let found = graph.addNode("NonZero", name: "nonzero", inputs: [x], outputNames: ["found"])[0]
        let floats = graph.addNode(
            "Cast",
            name: "cast",
            inputs: [found],
            attributes: ["to": .int(1)],
            outputNames: ["floats"]
        )[0]
        graph.outputs = graph.addNode("Exp", name: "exp", inputs: [floats], outputNames: ["y"])
        let executor = try executor(graph, placement(graph, [("first", 0, [0, 1]), ("second", 0, [2])]))
        for values in [[0, 1, 2], [0, 0, 0], [1, 1, 0]] as [[Float]] {
            try expectEqual(executor, [.tensor(Tensor(vector: values))])
        }
        let plans = try executor.plans([ValueFact(TensorType(.float32, [3]))])
        #expect(plans.count == 2 && plans[0] != nil && plans[1] == nil)
    }

    /// An executor that calls a closure and hands its first input on.
    private final class Probe: Executor {
        let graph: Graph
        let body: @Sendable () throws -> Void

        init(_ graph: Graph, _ body: @escaping @Sendable () throws -> Void) {
            self.graph = graph
            self.body = body
        }

        var deviceName: String { "probe" }
        var openCLDevices: [OpenCLDevice] { [] }
        func plan(_ inputs: [ValueFact]) throws -> Plan? { nil }
        func run(_ inputs: [RuntimeValue], _ options: RunOptions) throws -> RunResult {
            try body()
            return RunResult(outputs: graph.outputs.map { _ in inputs[0] })
        }
    }

    private func chain() -> Graph {
        var graph = Graph(name: "chain")
        var value = graph.addInput("x", type: nil)
        for index in 0..<3 {
            value = graph.addNode("Neg", name: "n\(index)", inputs: [value], outputNames: ["v\(index)"])[0]
        }
        graph.outputs = [value]
        return graph
    }

    /// The second stage of one request goes on only when the first stage of another one has begun.
    @Test func stagesOfDifferentRequestsRunAtTheSameTime() throws {
        let begun = DispatchSemaphore(value: 0)
        let count = Atomic<Int>(0)
        let late = Atomic<Int>(0)
        let graph = chain()
        let placed = placement(graph, [("one", 0, [0]), ("two", 1, [1, 2])])
        let executor = try StagedExecutor(graph, placed, on: devices, options: ExecutorOptions()) { stage, device in
            device.openCL != nil
                ? Probe(stage.graph) {
                    if count.add(1, ordering: .relaxed).oldValue > 0 { begun.signal() }
                }
                : Probe(stage.graph) {
                    if begun.wait(timeout: .now() + .seconds(20)) == .timedOut { late.add(1, ordering: .relaxed) }
                }
        }
        let done = DispatchGroup()
        for index in 0..<2 {
            done.enter()
            // Threads of their own: other tests may hold those of the pool.
            Thread.detachNewThread {
                _ = try? executor.run([.tensor(Tensor(scalar: Float(index)))], RunOptions())
                // The last request has no other one behind it.
                begun.signal()
                done.leave()
            }
        }
        done.wait()
        #expect(late.load(ordering: .relaxed) == 0)
    }

    @Test func aDeviceServesOneRequestAtATime() throws {
        let inside = Mutex<[Int: Int]>([:])
        let most = Atomic<Int>(0)
        let graph = chain()
        let placed = placement(graph, [("one", 0, [0]), ("two", 1, [1]), ("three", 0, [2])])
        let executor = try StagedExecutor(graph, placed, on: devices, options: ExecutorOptions()) { stage, device in
            let key = device.openCL == nil ? 1 : 0
            return Probe(stage.graph) {
                let now = inside.withLock {
                    $0[key, default: 0] += 1
                    return $0[key] ?? 0
                }
                most.max(now, ordering: .relaxed)
                inside.withLock { $0[key, default: 0] -= 1 }
            }
        }
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            for value in 0..<50 { _ = try? executor.run([.tensor(Tensor(scalar: Float(value)))], RunOptions()) }
        }
        #expect(most.load(ordering: .relaxed) == 1)
    }

    @Test func errorsNameStageAndDevice() throws {
        let graph = chain()
        let placed = placement(graph, [("one", 0, [0]), ("two", 1, [1, 2])])
        let fails = Atomic<Bool>(true)
        let executor = try StagedExecutor(graph, placed, on: devices, options: ExecutorOptions()) { stage, device in
            Probe(stage.graph) {
                if device.openCL == nil, fails.load(ordering: .relaxed) {
                    throw BackendError(.outOfMemory, "no room", device: "some name")
                }
            }
        }
        let input = RuntimeValue.tensor(Tensor(scalar: Float(1)))
        let error = #expect(throws: BackendError.self) { try executor.run([input], RunOptions()) }
        #expect(error?.description == "reference: stage \"two\": no room")
        #expect(error?.code == .outOfMemory)
        fails.store(false, ordering: .relaxed)
        #expect(try executor.run([input], RunOptions()).outputs.count == 1)
        let made = #expect(throws: BackendError.self) {
            try StagedExecutor(graph, placed, on: devices, options: ExecutorOptions()) { _, _ in
                throw BackendError(.buildFailed, "no compiler", device: "some name")
            }
        }
        #expect(made?.description == "opencl:0 first: stage \"one\": no compiler")
    }

    @Test func copiesShareTheRequests() throws {
        let graph = chain()
        let counts = Mutex<[String: Int]>([:])
        let executor = try ReplicatedExecutor(on: devices) { device in
            Probe(graph) { counts.withLock { $0[device.label, default: 0] += 1 } }
        }
        for _ in 0..<6 { _ = try executor.run([.tensor(Tensor(scalar: Float(1)))], RunOptions()) }
        #expect(counts.withLock { $0 } == ["opencl:0 first": 3, "reference": 3])
    }
}
