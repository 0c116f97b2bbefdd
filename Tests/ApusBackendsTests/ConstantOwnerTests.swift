import ApusBackends
import ApusCompiler
import ApusGraph
import ApusOpenCL
import ApusOperators
import ApusTensor
import Testing

/// Constants that binding makes have the same identities in every plan of a model, and other values.
@Suite struct ConstantOwnerTests {
    /// `x[n,2] * w` with `w = [[n], [2]]`, which binding folds from the shape of `x` and the load phase packs.
    private func shapeWeights() throws -> Graph {
        var graph = Graph(name: "shape weights")
        let x = graph.addInput("x", type: .tensor(.float32, [.symbol("n"), .known(2)]))
        let columns = graph.addConstant("columns", .tensor(Tensor(vector: [Int64(2), 1])))
        let shape = graph.addNode("Shape", name: "shape", inputs: [x], outputNames: ["shape"])[0]
        let floats = graph.addNode(
            "Cast",
            name: "cast",
            inputs: [shape],
            attributes: ["to": .int(1)],
            outputNames: ["floats"]
        )[0]
        let weights = graph.addNode("Reshape", name: "reshape", inputs: [floats, columns], outputNames: ["weights"])[0]
        graph.outputs = graph.addNode("MatMul", name: "product", inputs: [x, weights], outputNames: ["y"])
        return graph
    }

    @Test(arguments: OpenCLDevice.all.indices)
    func plansDoNotShareWhatTheirBindingAdded(_ device: Int) throws {
        let graph = try shapeWeights()
        let openCL = OpenCLDevice.all[device]
        let executor = try OpenCLExecutor(graph, on: openCL)
        for rows in [1, 3, 2, 1] {
            let x = RuntimeValue.tensor(try Tensor(shape: [rows, 2], (0..<rows * 2).map { Float($0 + 1) }))
            let expected = try GraphInterpreter(graph).run([x])[0].tensor().array(of: Float.self)
            let found = try executor.run([x], RunOptions()).outputs[0].tensor().array(of: Float.self)
            #expect(found == expected, "\(rows) rows")
        }
    }

    @Test(arguments: OpenCLDevice.all.indices)
    func whatAPlanAddedIsNotShared(_ device: Int) throws {
        let executor = try OpenCLExecutor(try shapeWeights(), on: OpenCLDevice.all[device])
        for rows in 1...5 {
            let x = RuntimeValue.tensor(try Tensor(shape: [rows, 2], [Float](repeating: 1, count: rows * 2)))
            _ = try executor.run([x], RunOptions())
            let plan = try #require(try executor.plan([TensorType(.float32, [rows, 2])]))
            #expect(!plan.loadSteps.isEmpty)
        }
        #expect(executor.sharedBufferCount == 0)
    }
}
