#!/usr/bin/env bash
# Regenerates Sources/ApusONNXProto/*.pb.swift from onnx.proto (onnx 1.22.0, onnx-ml.proto) and onnx-data.proto.
# Needs protoc; builds protoc-gen-swift from the swift-protobuf checkout that the package resolves.
set -euo pipefail
cd "$(dirname "$0")/.."

generator=${PROTOC_GEN_SWIFT:-}
if [ -z "$generator" ]; then
    swift package resolve
    scratch=$PWD/.build-proto
    swift build -c release --package-path .build/checkouts/swift-protobuf --scratch-path "$scratch" \
        --product protoc-gen-swift
    generator=$scratch/release/protoc-gen-swift
fi

protoc --plugin=protoc-gen-swift="$generator" --proto_path=Sources/ApusONNXProto \
    --swift_out=Sources/ApusONNXProto --swift_opt=Visibility=Package --swift_opt=UseAccessLevelOnImports=true \
    onnx.proto onnx-data.proto
