#!/usr/bin/env bash
# Classifies the twenty pictures of the demo network.
# usage: check_models.sh [APUS]
set -euo pipefail
cd "$(dirname "$0")/.."

apus=${1:-.build/release/apus}
names=(zero one two three four five six seven eight nine)
for picture in Models/digits/pictures/*.png; do
    digit=${picture%.png}
    expected=${names[${digit##*-}]}
    answer=$("$apus" run Models/digits/digits.onnx --image "$picture" --top 1)
    if ! grep --quiet --word-regexp "$expected" <<<"$answer"; then
        printf '%s: expected %s, found:\n%s\n' "$picture" "$expected" "$answer" >&2
        exit 1
    fi
done
