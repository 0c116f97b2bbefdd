// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "apus-examples",
    dependencies: [
        .package(name: "apus", path: ".."),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    ],
    targets: [
        .executableTarget(
            name: "InferenceServer",
            dependencies: [
                .product(name: "Apus", package: "apus"), .product(name: "Hummingbird", package: "hummingbird"),
            ]
        )
    ],
    swiftLanguageModes: [.v6]
)
