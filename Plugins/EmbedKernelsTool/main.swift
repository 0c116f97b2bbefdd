import Foundation

let arguments = CommandLine.arguments
guard arguments.count >= 3 else {
    FileHandle.standardError.write(Data("usage: EmbedKernelsTool OUTPUT ROOT FILE...\n".utf8))
    exit(64)
}
let root = arguments[2].hasSuffix("/") ? arguments[2] : arguments[2] + "/"
var text =
    "/// Every kernel file, keyed by its path below `Kernels/`.\npackage let kernelSources: [String: StaticString] = [\n"
for path in arguments.dropFirst(3) {
    let source = try String(contentsOfFile: path, encoding: .utf8)
    let key = path.hasPrefix(root) ? String(path.dropFirst(root.count)) : path
    text += "    \"\(key)\": ##\"\"\"\n\(source)\n\"\"\"##,\n"
}
text += arguments.count == 3 ? "    :\n]\n" : "]\n"
try text.write(toFile: arguments[1], atomically: true, encoding: .utf8)
