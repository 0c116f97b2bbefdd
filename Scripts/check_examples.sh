#!/usr/bin/env bash
# Builds the examples and drives the server.
set -euo pipefail
cd "$(dirname "$0")/.."

swift build -c release --package-path Examples --scratch-path .build-examples --product InferenceServer
python3 Scripts/drive_server.py .build-examples/release/InferenceServer
