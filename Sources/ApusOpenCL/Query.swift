import COpenCL

/// The form that `clGetDeviceInfo` and its relatives share.
typealias InfoFunction = (
    OpaquePointer?, cl_uint, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?
) -> cl_int

/// A property of fixed size; the default if the driver does not know it.
func value<T: BitwiseCopyable>(
    _ object: OpaquePointer,
    _ function: InfoFunction,
    _ property: Int32,
    _ defaultValue: T
) -> T {
    var result = defaultValue
    let status = withUnsafeMutableBytes(of: &result) {
        function(object, cl_uint(bitPattern: property), $0.count, $0.baseAddress, nil)
    }
    return status == CL_SUCCESS ? result : defaultValue
}

/// A property of variable size; empty if the driver does not know it.
func bytes(_ object: OpaquePointer, _ function: InfoFunction, _ property: Int32) -> [UInt8] {
    let property = cl_uint(bitPattern: property)
    var byteCount = 0
    guard function(object, property, 0, nil, &byteCount) == CL_SUCCESS, byteCount > 0 else { return [] }
    var result = [UInt8](repeating: 0, count: byteCount)
    let status = result.withUnsafeMutableBytes { function(object, property, $0.count, $0.baseAddress, nil) }
    return status == CL_SUCCESS ? result : []
}

/// A textual property without its terminator; empty if the driver does not know it.
func string(_ object: OpaquePointer, _ function: InfoFunction, _ property: Int32) -> String {
    let text = String(decoding: bytes(object, function, property).prefix { $0 != 0 }, as: UTF8.self)
    return text.trimmingSpaces
}

/// The names of a property that lists names with versions; empty if the driver does not know it.
func nameVersions(_ device: OpaquePointer, _ property: Int32) -> Set<String> {
    let bytes = bytes(device, clGetDeviceInfo, property)
    let size = MemoryLayout<cl_name_version>.size
    return Set(
        stride(from: 0, to: bytes.count - size + 1, by: size).map { start in
            String(decoding: bytes[start + 4..<start + size].prefix { $0 != 0 }, as: UTF8.self)
        }
    )
}

extension String {
    /// The text without spaces and line ends around it.
    var trimmingSpaces: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
