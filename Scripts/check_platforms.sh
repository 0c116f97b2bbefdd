#!/usr/bin/env bash
# One network over the devices of two OpenCL platforms, Intel's CPU runtime and pocl, in one process: every layer against
# the reference, and integer networks bit for bit as on the device of the last stage alone.
# usage: check_platforms.sh APUS
set -euo pipefail
cd "$(dirname "$0")/.."

apus=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Devices of one kind are counted by the name of their platform.
intel=opencl:0
pocl=opencl:1

on_both() {
    Scripts/vendors.sh intel,pocl "$apus" "$@"
}
judge() {
    echo "$*"
    on_both compare "$@" | tail -n 1
}
# answer NAME [OPTION]...: the output of the integer network for a picture, in a file of that name.
answer() {
    on_both run Models/digits/digits-int8.onnx --image Models/digits/pictures/03-digit-3.png --output-dir "$folder/$1" \
        "${@:2}" >/dev/null
}
same() {
    cmp "$folder/$1/probabilities.npy" "$folder/$2/probabilities.npy"
    echo "the integer network answers alike: $1, $2"
}

on_both devices >"$folder/devices.txt"
for name in 'Intel(R) OpenCL' 'Portable Computing Language'; do
    grep --quiet --fixed-strings "platform           $name" "$folder/devices.txt" ||
        { echo "no device of the platform $name" >&2; cat "$folder/devices.txt" >&2; exit 1; }
done
# there_and_back [PATTERN]...: a placement of three stages; the patterns select more layers of the first one.
there_and_back() {
    printf '%s\n' "stage begin $intel" '/stem/*' "$@" "stage middle $pocl" rest "stage end $intel" '/classifier/*' \
        /Softmax 'output: probabilities*'
}
there_and_back /Relu >"$folder/floats.txt"
there_and_back 'image_*' >"$folder/integers.txt"

for order in "$intel,$pocl" "$pocl,$intel"; do
    for network in digits resnet18; do
        judge "Models/$network/$network.onnx" --device "$order" --placement even
    done
done
judge Models/digits/digits.onnx --placement "$folder/floats.txt"
judge Models/digits/digits-int8.onnx --placement "$folder/integers.txt"
for device in "$intel" "$pocl"; do
    answer "$device" --device "$device"
done
answer even --device "$intel,$pocl" --placement even
same even "$pocl"
answer even-back --device "$pocl,$intel" --placement even
same even-back "$intel"
answer there-and-back --placement "$folder/integers.txt"
same there-and-back "$intel"
for placement in even replicate; do
    echo "--placement $placement"
    on_both bench Models/digits/digits.onnx --device "$intel,$pocl" --placement "$placement" --iterations 64 --streams 4 |
        grep '^throughput'
done
echo "two platforms in one process answer as one device"
