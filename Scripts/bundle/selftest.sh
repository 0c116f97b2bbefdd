#!/bin/sh
# Looks for OpenCL drivers, judges every device against the reference, measures, and writes all of it to a folder.
# Exit status: 0 all is well, 1 something is wrong (see summary.txt), 2 there is no device.
#
# usage: selftest.sh [--seconds N] [--networks "NAME ..."] [--certify "ARGUMENT ..."] [FOLDER]
#     --seconds    how long each network is measured (default 5)
#     --networks   which ones (default: all in Models/)
#     --certify    more arguments of apus certify, such as "--operator Conv"
#     FOLDER       of the results (default: selftest-<host>-<time> in the current folder)
set -u

here=$(cd "$(dirname "$0")" && pwd)
seconds=5
networks="digits resnet18 resnet50 mobilenet_v2 efficientnet_b0 vgg16 vit_b_16"
certify=
folder=selftest-$(uname -n)-$(date +%Y%m%d-%H%M%S)
while [ $# -gt 0 ]; do
    case "$1" in
        --seconds) seconds=$2; shift 2 ;;
        --networks) networks=$2; shift 2 ;;
        --certify) certify=$2; shift 2 ;;
        -*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
        *) folder=$1; shift ;;
    esac
done
mkdir -p "$folder/vendors" || exit 1
folder=$(cd "$folder" && pwd)
summary=$folder/summary.txt
: >"$summary"
failures=0

say() {
    echo "$*"
    echo "$*" >>"$summary"
}

# step NAME COMMAND...: output to NAME.txt, errors to NAME.err, one line in the summary.
step() {
    step_name=$1
    shift
    step_start=$(date +%s)
    "$@" >"$folder/$step_name.txt" 2>"$folder/$step_name.err"
    step_status=$?
    step_time=$(($(date +%s) - step_start))
    if [ "$step_status" -eq 0 ]; then
        rm -f "$folder/$step_name.err"
        say "ok      $step_name ($step_time s)"
    else
        failures=$((failures + 1))
        say "FAILED  $step_name ($step_time s, exit status $step_status): $(tail -n 1 "$folder/$step_name.err")"
    fi
    return "$step_status"
}

system() {
    uname -a
    cat /etc/os-release
    ldd --version 2>/dev/null | head -n 1
    grep -m 1 'model name' /proc/cpuinfo
    echo "$(grep -c '^processor' /proc/cpuinfo) processors"
    grep MemTotal /proc/meminfo
    nvidia-smi 2>/dev/null
    ls /etc/OpenCL/vendors /dev/dri /dev/nvidia* 2>/dev/null
    return 0
}

# Drivers' libraries that have no entry in /etc/OpenCL/vendors get one here.
find_drivers() {
    if [ -n "${OCL_ICD_VENDORS:-}" ]; then
        say "drivers: OCL_ICD_VENDORS is set to $OCL_ICD_VENDORS"
        return
    fi
    registered=
    for entry in /etc/OpenCL/vendors/*.icd; do
        [ -e "$entry" ] || continue
        cp "$entry" "$folder/vendors/"
        registered="$registered $(cat "$entry")"
    done
    for library in libnvidia-opencl.so.1 libamdocl64.so libigdrcl.so libintelocl.so libpocl.so.2 libRusticlOpenCL.so.1; do
        case "$registered" in *"${library%%.so*}"*) continue ;; esac
        for place in $(echo "${LD_LIBRARY_PATH:-}" | tr ':' ' ') /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /lib64 \
            /usr/lib/*-linux-gnu/* /usr/lib64/* /usr/local/nvidia/lib64 /usr/local/nvidia/lib /opt/rocm*/lib \
            /opt/intel/oneapi/compiler/*/lib /run/opengl-driver/lib; do
            if [ -e "$place/$library" ]; then
                echo "$place/$library" >"$folder/vendors/${library%%.so*}.icd"
                say "drivers: $place/$library has no entry in /etc/OpenCL/vendors; it gets one in $folder/vendors"
                break
            fi
        done
    done
    OCL_ICD_VENDORS=$folder/vendors
    export OCL_ICD_VENDORS
    say "drivers: $(cat "$folder"/vendors/*.icd 2>/dev/null | tr '\n' ' ')"
}

demo() {
    "$here/apus" run "$here/Models/digits/digits.onnx" --image "$here/Models/digits/pictures/03-digit-3.png" --top 1 \
        --device "$1" | tee "$folder/answer.tmp"
    grep -q 'three' "$folder/answer.tmp"
    demo_status=$?
    rm -f "$folder/answer.tmp"
    return "$demo_status"
}

# Results must not depend on what an earlier run left in the user's cache.
APUS_CACHE_DIR=$folder/cache
export APUS_CACHE_DIR
step system system
find_drivers
step devices "$here/apus" devices --json "$folder/devices.json"
step demo-reference demo reference
count=$(grep -c '"selection"' "$folder/devices.json" 2>/dev/null || true)
if [ "${count:-0}" -eq 0 ]; then
    say "there is no OpenCL device"
    rm -rf "$folder/cache"
    exit 2
fi
index=0
while [ "$index" -lt "$count" ]; do
    device=opencl:$index
    step "demo-$index" demo "$device"
    # $certify holds several arguments.
    # shellcheck disable=SC2086
    step "certify-$index" "$here/apus" certify --device "$device" --json "$folder/certify-$index.json" $certify
    step "devices-$index" "$here/apus" devices
    for network in $networks; do
        step "bench-$index-$network" "$here/apus" bench "$here/Models/$network/$network.onnx" --device "$device" \
            --duration "$seconds" --profile-layers --json "$folder/bench-$index-$network.json"
    done
    index=$((index + 1))
done
rm -rf "$folder/cache"
say "$failures steps failed; results are in $folder"
[ "$failures" -eq 0 ]
