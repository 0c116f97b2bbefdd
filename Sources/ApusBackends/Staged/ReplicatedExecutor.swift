package import ApusCompiler
import ApusDevice
package import ApusGraph
package import ApusOpenCL
package import ApusOperators
package import ApusTensor
import Synchronization

/// Runs a copy of the model on each of several devices: a request goes to the device with the
/// fewest in flight, and to each in turn where they are equal.
package final class ReplicatedExecutor: Executor {
    package let devices: [StageDevice]
    private let executors: [any Executor]
    private struct Load {
        var inFlight: [Int]
        var next = 0
    }

    private let load: Mutex<Load>

    /// - Parameter make: makes the executor of one device.
    /// - Throws: what `make` throws.
    package init(on devices: [StageDevice], make: (StageDevice) throws -> any Executor) throws {
        self.devices = devices
        executors = try devices.map { device in try Self.located(device) { try make(device) } }
        load = Mutex(Load(inFlight: devices.map { _ in 0 }))
    }

    package var graph: Graph { executors[0].graph }

    package var deviceName: String { devices.map(\.label).joined(separator: " | ") }

    package var openCLDevices: [OpenCLDevice] { executors.flatMap(\.openCLDevices).uniqued() }

    /// The plan of the first device; those of the others are made as well.
    package func plan(_ inputs: [ValueFact]) throws -> Plan? {
        try zip(executors, devices).map { executor, device in
            try Self.located(device) { try executor.plan(inputs) }
        }[0]
    }

    package func run(_ inputs: [RuntimeValue], _ options: RunOptions) throws -> RunResult {
        let index = load.withLock { load in
            let count = load.inFlight.count
            let order = (0..<count).map { (load.next + $0) % count }
            let least = order.min { load.inFlight[$0] < load.inFlight[$1] } ?? 0
            load.inFlight[least] += 1
            load.next = (least + 1) % count
            return least
        }
        defer { load.withLock { $0.inFlight[index] -= 1 } }
        return try Self.located(devices[index]) { try executors[index].run(inputs, options) }
    }

    private static func located<Result>(_ device: StageDevice, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch var error as BackendError {
            error.device = device.label
            throw error
        }
    }
}
