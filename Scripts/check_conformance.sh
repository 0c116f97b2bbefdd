#!/usr/bin/env bash
# Runs the node cases of the ONNX backend suite on the reference and on a CPU through OpenCL. Every case passes or
# stands in Tests/Conformance with its reason, and what stands there must not pass.
# usage: check_conformance.sh APUS [--update]
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.22.0
apus=$1
flags=()
[ "${2:-}" = --update ] && flags+=(--update-manifest)
cases=.cache/onnx-$version/onnx/backend/test/data/node
if [ ! -d "$cases" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    python3 -m venv "$folder/environment"
    "$folder/environment/bin/pip" download --quiet --no-deps --dest "$folder" "onnx==$version"
    mkdir -p ".cache/onnx-$version.part"
    python3 - "$folder"/onnx-*.whl ".cache/onnx-$version.part" <<'PYTHON'
import sys
import zipfile

with zipfile.ZipFile(sys.argv[1]) as wheel:
    names = [name for name in wheel.namelist() if name.startswith("onnx/backend/test/data/node/")]
    wheel.extractall(sys.argv[2], names)
PYTHON
    rm -rf ".cache/onnx-$version"
    mv ".cache/onnx-$version.part" ".cache/onnx-$version"
fi
for device in reference opencl:cpu; do
    "$apus" certify --onnx-suite "$cases" --device "$device" --manifest "Tests/Conformance/onnx-$version.txt" \
        "${flags[@]}"
done
