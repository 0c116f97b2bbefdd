import PackagePlugin

/// Embeds every OpenCL C file of the target as a string literal, keyed by its path below the target's folder.
@main
struct EmbedKernels: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        guard let target = target as? SourceModuleTarget else { return [] }
        let root = target.directoryURL
        let kernels = target.sourceFiles.map(\.url).filter { $0.pathExtension == "cl" }
            .sorted { $0.path < $1.path }
        let output = context.pluginWorkDirectoryURL.appending(path: "KernelSources.swift")
        return [
            .buildCommand(
                displayName: "Embedding \(kernels.count) kernel files",
                executable: try context.tool(named: "EmbedKernelsTool").url,
                arguments: [output.path, root.path] + kernels.map(\.path),
                inputFiles: kernels,
                outputFiles: [output]
            )
        ]
    }
}
