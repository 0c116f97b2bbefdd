package import ApusGraph
import ApusONNXProto
package import ApusTensor
import SwiftProtobuf

/// Bounds on what an import may take.
package struct ImportOptions: Sendable {
    /// The most bytes of tensors that are larger than their data in the file: sparse ones and those made from a seed.
    package var maximumGeneratedBytes = 2 << 30
    /// The most nodes, those of expanded functions and of subgraphs included.
    package var maximumNodes = 4_000_000
    /// The most nodes that expanding functions may add.
    package var maximumExpandedNodes = 1_000_000

    package init() {}
}

/// A model as the engine sees it, and what its file says about it.
package struct ImportedModel: Sendable {
    /// The network in the newest opset's form.
    package var graph: Graph
    /// The entries of `metadata_props`; the first of equal keys.
    package var metadata: [String: String]
    package var irVersion: Int
    /// The version of each imported operator set; ONNX's default domain is empty.
    package var opsets: [String: Int]
    package var producerName: String
    package var producerVersion: String
    package var domain: String
    package var modelVersion: Int
}

/// Reads ONNX models: opset 6 to 27, IR version 1 to 13.
package enum ONNXImporter {
    /// The opsets of ONNX's default domain that are understood.
    package static let opsets = 6...27
    /// The IR versions that are understood.
    package static let irVersions = 1...13

    /// Imports a file; its tensors refer to the mapped file, which must not be changed while they live.
    ///
    /// - Throws: `ModelError` that names the file and, where one is at fault, the node.
    package static func load(path: String, options: ImportOptions = .init()) throws(ModelError) -> ImportedModel {
        do {
            return try load(MappedFile.map(path: path), ExternalData(modelPath: path), options)
        } catch {
            throw error.at(file: path)
        }
    }

    /// Imports a serialised model; external data is refused.
    ///
    /// - Throws: `ModelError` that names the node, where one is at fault.
    package static func load(bytes: [UInt8], options: ImportOptions = .init()) throws(ModelError) -> ImportedModel {
        let storage = TensorStorage(byteCount: bytes.count) { target in
            bytes.withUnsafeBytes { target.copyMemory(from: $0) }
        }
        return try load(storage, nil, options)
    }

    private static func load(
        _ storage: TensorStorage,
        _ externalData: ExternalData?,
        _ options: ImportOptions
    ) throws(ModelError) -> ImportedModel {
        guard !storage.bytes.isEmpty else { throw ModelError(.invalidFile, "the model is empty") }
        let reduced = try WireScanner.reduce(storage.bytes)
        let model = try decode(reduced.bytes)
        guard irVersions.contains(Int(model.irVersion)) else {
            let range = "\(irVersions.lowerBound) to \(irVersions.upperBound)"
            throw ModelError(.unsupported, "IR version \(model.irVersion) is not supported, only \(range)")
        }
        guard model.hasGraph else { throw ModelError(.invalidModel, "the model has no graph") }
        let opsets = try operatorSets(model.opsetImport)
        let metadata = Dictionary(model.metadataProps.map { ($0.key, $0.value) }) { first, _ in first }
        let tensors = TensorImporter(
            model: storage,
            ranges: reduced.ranges,
            externalData: externalData,
            weights: try SeededWeights(metadata),
            maximumGeneratedBytes: options.maximumGeneratedBytes
        )
        let functions = try LocalFunctions(model.functions, opsets)
        let importer = GraphImporter(tensors: tensors, functions: functions, options: options)
        return ImportedModel(
            graph: try importer.graph(model.graph, opsets),
            metadata: metadata,
            irVersion: Int(model.irVersion),
            opsets: opsets,
            producerName: model.producerName,
            producerVersion: model.producerVersion,
            domain: model.domain,
            modelVersion: Int(model.modelVersion)
        )
    }

    private static func decode(_ bytes: [UInt8]) throws(ModelError) -> Onnx_ModelProto {
        var options = BinaryDecodingOptions()
        options.messageDepthLimit = WireScanner.maximumDepth
        options.discardUnknownFields = true
        do {
            return try Onnx_ModelProto(serializedBytes: bytes, partial: true, options: options)
        } catch {
            throw ModelError(.invalidFile, "not an ONNX model: \(error)")
        }
    }

    /// The versions of operator sets by domain.
    ///
    /// - Throws: `ModelError` if a domain occurs with two versions or the default domain's version is not understood.
    static func operatorSets(_ imports: [Onnx_OperatorSetIdProto]) throws(ModelError) -> [String: Int] {
        var versions: [String: Int] = [:]
        for entry in imports {
            let domain = canonicalDomain(entry.domain)
            let version = Int(entry.version)
            guard version > 0 else {
                throw ModelError(.invalidModel, "opset \(version) of domain \(quoted(domain)) is not positive")
            }
            guard !domain.isEmpty || opsets.contains(version) else {
                let range = "\(opsets.lowerBound) to \(opsets.upperBound)"
                throw ModelError(.unsupported, "opset \(version) is not supported, only \(range)")
            }
            guard versions.updateValue(version, forKey: domain) ?? version == version else {
                throw ModelError(.invalidModel, "domain \(quoted(domain)) is imported with two versions")
            }
        }
        return versions
    }

    /// The domain with the default domain's long name replaced.
    static func canonicalDomain(_ domain: String) -> String { domain == "ai.onnx" ? "" : domain }
}
