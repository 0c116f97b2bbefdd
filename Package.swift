// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]
let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]

/// A module of the engine: `Sources/<name>` with the arrows it may follow downwards.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The tests of one module: `Tests/<module>Tests`.
func tests(_ module: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: module + "Tests",
        dependencies: [.byName(name: module)] + dependencies,
        swiftSettings: settings
    )
}

let package = Package(
    name: "apus",
    products: [
        .library(name: "Apus", targets: ["Apus"]),
        .executable(name: "apus", targets: ["ApusCommand"]),
        .library(name: "FaultLayer", type: .dynamic, targets: ["FaultLayer"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        module("ApusTensor"),
        module("ApusGraph", ["ApusTensor"]),
        module("ApusOperators", ["ApusGraph", "ApusTensor"]),
        module("ApusDevice", ["ApusTensor"]),
        .target(
            name: "ApusKernels",
            path: "Kernels",
            exclude: [".clang-format"],
            swiftSettings: settings,
            plugins: ["EmbedKernels"]
        ),
        .plugin(name: "EmbedKernels", capability: .buildTool(), dependencies: ["EmbedKernelsTool"]),
        .executableTarget(name: "EmbedKernelsTool", path: "Plugins/EmbedKernelsTool", swiftSettings: settings),
        module("ApusLowering", ["ApusOperators", "ApusGraph", "ApusTensor", "ApusDevice", "ApusKernels"]),
        module("ApusCompiler", ["ApusLowering", "ApusOperators", "ApusGraph", "ApusTensor", "ApusDevice"]),
        .systemLibrary(
            name: "COpenCL",
            pkgConfig: "OpenCL",
            providers: [.apt(["ocl-icd-opencl-dev", "opencl-headers"])]
        ),
        module(
            "ApusOpenCL",
            ["ApusDevice", "ApusTensor", "COpenCL", .product(name: "Crypto", package: "swift-crypto")]
        ),
        module(
            "ApusBackends",
            ["ApusCompiler", "ApusLowering", "ApusOperators", "ApusGraph", "ApusTensor", "ApusDevice", "ApusOpenCL"]
        ),
        .target(
            name: "ApusONNXProto",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["onnx.proto", "onnx-data.proto"],
            swiftSettings: settings
        ),
        .target(name: "CLinuxFile", cSettings: cSettings),
        module(
            "ApusONNX",
            [
                "ApusGraph", "ApusTensor", "ApusONNXProto", "CLinuxFile",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]
        ),
        module(
            "Apus",
            [
                "ApusONNX", "ApusBackends", "ApusCompiler", "ApusLowering", "ApusOperators", "ApusGraph", "ApusTensor",
                "ApusDevice", "ApusOpenCL",
            ]
        ),
        module("ApusOperatorSuite", ["ApusOperators", "ApusGraph", "ApusTensor"]),
        module(
            "ApusVerification",
            [
                "ApusBackends", "ApusCompiler", "ApusLowering", "ApusOperatorSuite", "ApusOperators", "ApusGraph",
                "ApusTensor", "ApusDevice", "ApusOpenCL",
            ]
        ),
        .target(
            name: "CImage",
            cSettings: cSettings,
            linkerSettings: [.linkedLibrary("png"), .linkedLibrary("turbojpeg")]
        ),
        .executableTarget(
            name: "ApusCommand",
            dependencies: [
                "Apus", "ApusVerification", "ApusONNX", "ApusBackends", "ApusCompiler", "ApusLowering",
                "ApusOperatorSuite", "ApusOperators", "ApusGraph", "ApusTensor", "ApusDevice", "ApusOpenCL", "CImage",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        tests("ApusTensor"),
        tests("ApusGraph", ["ApusTensor"]),
        tests("ApusOperators", ["ApusOperatorSuite", "ApusGraph", "ApusTensor"]),
        tests("ApusLowering", ["ApusOperators", "ApusGraph", "ApusTensor", "ApusDevice", "ApusKernels"]),
        tests(
            "ApusCompiler",
            ["ApusOperatorSuite", "ApusLowering", "ApusOperators", "ApusGraph", "ApusTensor", "ApusDevice"]
        ),
        tests("ApusOpenCL", ["ApusDevice", "ApusTensor"]),
        tests(
            "ApusBackends",
            [
                "ApusOperatorSuite", "ApusVerification", "ApusCompiler", "ApusLowering", "ApusOperators", "ApusGraph",
                "ApusTensor", "ApusDevice", "ApusOpenCL",
            ]
        ),
        tests(
            "ApusONNX",
            ["ApusONNXProto", "ApusGraph", "ApusTensor", .product(name: "SwiftProtobuf", package: "swift-protobuf")]
        ),
        tests(
            "Apus",
            [
                "ApusONNX", "ApusVerification", "ApusOperatorSuite", "ApusBackends", "ApusCompiler", "ApusLowering",
                "ApusOperators", "ApusGraph", "ApusTensor", "ApusDevice", "ApusOpenCL",
            ]
        ),
        tests(
            "ApusCommand",
            ["ApusTensor", "ApusONNXProto", .product(name: "SwiftProtobuf", package: "swift-protobuf")]
        ),
        .target(name: "FaultLayer", dependencies: ["COpenCL"], path: "Tests/FaultLayer", cSettings: cSettings),
    ],
    swiftLanguageModes: [.v6]
)

if Context.environment["APUS_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "FuzzImporter",
            dependencies: ["ApusONNX", "ApusGraph", "ApusTensor"],
            path: "Fuzz",
            swiftSettings: settings
        )
    )
}
