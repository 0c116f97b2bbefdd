import COpenCL

/// How one kind of OpenCL object is released.
protocol HandleKind {
    static func release(_ raw: OpaquePointer)
}

/// Owns one reference to an OpenCL object and gives it back exactly once.
struct Handle<Kind: HandleKind>: ~Copyable, @unchecked Sendable {
    let raw: OpaquePointer

    init(_ raw: OpaquePointer) { self.raw = raw }

    deinit { Kind.release(raw) }
}

enum ContextKind: HandleKind {
    static func release(_ raw: OpaquePointer) { clReleaseContext(raw) }
}

enum QueueKind: HandleKind {
    static func release(_ raw: OpaquePointer) { clReleaseCommandQueue(raw) }
}

enum MemoryKind: HandleKind {
    static func release(_ raw: OpaquePointer) { clReleaseMemObject(raw) }
}

enum ProgramKind: HandleKind {
    static func release(_ raw: OpaquePointer) { clReleaseProgram(raw) }
}

enum KernelKind: HandleKind {
    static func release(_ raw: OpaquePointer) { clReleaseKernel(raw) }
}

enum EventKind: HandleKind {
    static func release(_ raw: OpaquePointer) { clReleaseEvent(raw) }
}
