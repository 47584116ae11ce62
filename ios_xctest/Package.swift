// swift-tools-version: 6.0
import PackageDescription

/// ONNX Runtime comes from the system's package manager and is on no phone: who wants it says so.
let onnx = Context.environment["PE_VALIDATE_ONNXRUNTIME"] == "1"

let package = Package(
    name: "PEValidate",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "PEValidateCore", targets: ["PEValidateCore"]),
        .library(name: "PEValidateRuntimes", targets: ["PEValidateRuntimes"]),
    ],
    targets: [
        .target(name: "PEValidateCore"),
        .target(
            name: "PEValidateRuntimes",
            dependencies: ["PEValidateCore"] + (onnx ? [.target(name: "COnnxRuntime")] : [])
        ),
        .testTarget(name: "PEValidateCoreTests", dependencies: ["PEValidateCore"]),
        .testTarget(name: "ConversionTests", dependencies: ["PEValidateCore", "PEValidateRuntimes"]),
    ],
    swiftLanguageModes: [.v6]
)

if onnx {
    package.targets.append(
        .systemLibrary(name: "COnnxRuntime", providers: [.apt(["libonnxruntime-dev"])])
    )
}
