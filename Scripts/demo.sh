#!/usr/bin/env bash
# Classifies a picture with the network of the repository on the best device there is.
# usage: demo.sh [PICTURE]
set -euo pipefail
cd "$(dirname "$0")/.."

picture=${1:-Models/digits/pictures/03-digit-3.png}
Scripts/setup.sh
echo "==> building apus (the first build takes some minutes)"
swift build -c release --product apus
echo "==> apus run Models/digits/digits.onnx --image $picture --top 3 --profile-layers"
.build/release/apus run Models/digits/digits.onnx --image "$picture" --top 3 --profile-layers
