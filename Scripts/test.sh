#!/usr/bin/env bash
# Everything that must hold before a change goes in.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    printf '==> [%4d s] %s\n' "$SECONDS" "$1"
}

step "packages"
Scripts/setup.sh --test
step "format"
Scripts/format.sh --lint
step "build"
swift build -c release --build-tests --explicit-target-dependency-import-check error
step "tests"
swift test -c release --skip-build
step "the command"
swift build -c release --product apus
Scripts/check_models.sh
step "passed"
