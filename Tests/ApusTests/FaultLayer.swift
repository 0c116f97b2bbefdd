import Foundation
import Testing

/// The OpenCL layer of Tests/FaultLayer, which lets one call of this process fail.
struct FaultLayer {
    private typealias Arm = @convention(c) (UnsafePointer<CChar>?, Int32, UInt32) -> Void
    private typealias Calls = @convention(c) (UnsafePointer<CChar>) -> UInt32
    private typealias Function = @convention(c) (Int) -> UnsafePointer<CChar>?
    private typealias Count = @convention(c) () -> Int32

    /// One call that fails.
    struct Fault: Hashable, CustomStringConvertible {
        var function: String
        var status: Int32
        /// Counts the calls of the function from 1.
        var call: Int

        var description: String { "\(function):\(status):\(call)" }
    }

    /// The calls that can be made to fail.
    let functions: [String]
    private let armLayer: Arm
    private let loseContexts: @convention(c) () -> Void
    private let countCalls: Calls
    private let failed: Count
    private let objects: Count
    private let contexts: Count

    /// Loads the layer; to be called before the first OpenCL call of the process.
    init() throws {
        let executable = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        let path = executable.deletingLastPathComponent().path + "/libFaultLayer.so"
        let library = try #require(dlopen(path, RTLD_NOW), "\(path) cannot be loaded")
        setenv("OPENCL_LAYERS", path, 1)
        func symbol<Function>(_ name: String, _ type: Function.Type) throws -> Function {
            unsafeBitCast(try #require(dlsym(library, name), "\(path) has no \(name)"), to: type)
        }
        armLayer = try symbol("fault_layer_arm", Arm.self)
        loseContexts = try symbol("fault_layer_lose_contexts", (@convention(c) () -> Void).self)
        countCalls = try symbol("fault_layer_calls", Calls.self)
        failed = try symbol("fault_layer_has_failed", Count.self)
        objects = try symbol("fault_layer_live_objects", Count.self)
        contexts = try symbol("fault_layer_live_contexts", Count.self)
        let function = try symbol("fault_layer_function", Function.self)
        functions = (0...).lazy.map { function($0).map { String(cString: $0) } }.prefix { $0 != nil }.compactMap { $0 }
    }

    /// Lets a call fail and counts calls anew.
    ///
    /// - Parameter losesContexts: whether nothing works from then on until a context is made, and old queues never again.
    func arm(_ fault: Fault, losesContexts: Bool = false) {
        fault.function.withCString { armLayer($0, fault.status, UInt32(fault.call)) }
        if losesContexts { loseContexts() }
    }

    /// Lets no call fail and counts calls anew.
    func disarm() { armLayer(nil, 0, 0) }

    var hasFailed: Bool { failed() != 0 }

    /// How often each function was called since the layer was armed or disarmed; functions that were not are left out.
    var calls: [String: Int] {
        Dictionary(uniqueKeysWithValues: functions.map { ($0, Int($0.withCString { countCalls($0) })) })
            .filter { $0.value > 0 }
    }

    /// The OpenCL objects that the process holds, contexts aside.
    var liveObjects: Int { Int(objects()) }

    var liveContexts: Int { Int(contexts()) }
}
