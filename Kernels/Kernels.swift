/// The text of a kernel file with its `#include` directives resolved against `Kernels/`.
///
/// Each file is included once. `#line` directives keep build logs pointing at the file that was written.
///
/// - Parameter path: the path below `Kernels/`, such as `convolution/direct.cl`.
/// - Returns: `nil` if the file, or one that it includes, does not exist.
package func expandedKernelSource(_ path: String) -> String? {
    var included: Set<String> = []
    return expand(path, &included)
}

private func expand(_ path: String, _ included: inout Set<String>) -> String? {
    guard included.insert(path).inserted else { return "" }
    guard let source = kernelSources[path] else { return nil }
    var result = "#line 1 \"\(path)\"\n"
    var lineNumber = 0
    for line in source.description.split(separator: "\n", omittingEmptySubsequences: false) {
        lineNumber += 1
        if line.hasPrefix("#include \""), let end = line.dropFirst(10).firstIndex(of: "\"") {
            guard let body = expand(String(line.dropFirst(10)[..<end]), &included) else { return nil }
            result += body + "#line \(lineNumber + 1) \"\(path)\"\n"
        } else {
            result += line + "\n"
        }
    }
    return result
}
