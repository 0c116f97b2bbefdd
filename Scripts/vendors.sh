#!/usr/bin/env bash
# Runs a command that sees the given OpenCL runtimes alone, which are set up below .cache first; nothing goes to /etc.
#     intel     Intel's CPU runtime from PyPI; runs on AMD processors too
#     rusticl   Mesa's rusticl on llvmpipe, the CPU as a software GPU; from Debian
#     pocl      the system's pocl
# usage: vendors.sh intel|rusticl|pocl[,...] COMMAND [ARGUMENT]...
set -euo pipefail

IFS=, read -ra names <<<"$1"
shift
vendors=$(cd "$(dirname "$0")/.." && pwd)/.cache/vendors

# The folder $1 is complete or not there: it is filled beside its place.
begin() {
    rm -rf "$1.part"
    mkdir -p "$1.part"
}
end() {
    rm -rf "$1"
    mv "$1.part" "$1"
}

set_up_intel() {
    local folder=$vendors/intel-2026.2.0
    if [ ! -d "$folder" ]; then
        echo "==> Intel's CPU OpenCL runtime from PyPI (220 MB)" >&2
        begin "$folder"
        local wheels=$folder.part/wheels
        python3 -m venv "$folder.part/environment"
        "$folder.part/environment/bin/pip" download --quiet --only-binary :all: --dest "$wheels" \
            intel-opencl-rt==2026.2.0 intel-cmplr-lib-rt==2026.2.0
        python3 - "$wheels" "$folder.part/lib" <<'PYTHON'
import pathlib
import sys
import zipfile

folder = pathlib.Path(sys.argv[2])
folder.mkdir()
for wheel in pathlib.Path(sys.argv[1]).glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = pathlib.PurePosixPath(name)
            # Its own loader would stand before the system's.
            if path.parent.name == "lib" and "lto" not in path.name and not path.name.startswith("libOpenCL."):
                (folder / path.name).write_bytes(archive.read(name))
PYTHON
        rm -rf "$wheels" "$folder.part/environment"
        mkdir "$folder.part/icd"
        echo "$folder/lib/libintelocl.so" >"$folder.part/icd/intel.icd"
        end "$folder"
    fi
    entry=$folder/icd/intel.icd
    export LD_LIBRARY_PATH=$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

set_up_rusticl() {
    local folder=$vendors/rusticl
    if [ ! -d "$folder" ]; then
        local as_root=()
        [ "$(id -u)" -eq 0 ] || as_root=(sudo)
        echo "==> Mesa's rusticl from Debian" >&2
        "${as_root[@]}" apt-get update --quiet=2
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
            libclc-15 libllvmspirvlib15 libclang-common-15-dev libsensors5 libelf1 libdrm-radeon1 libdrm-amdgpu1 \
            libdrm-nouveau2 libclang-cpp15 </dev/null >&2
        begin "$folder"
        (cd "$folder.part" && apt-get download --quiet=2 mesa-opencl-icd 2>/dev/null && dpkg -x mesa-opencl-icd_*.deb .)
        rm "$folder.part"/mesa-opencl-icd_*.deb
        mkdir "$folder.part/icd"
        echo "$folder/usr/lib/x86_64-linux-gnu/libRusticlOpenCL.so.1" >"$folder.part/icd/rusticl.icd"
        end "$folder"
    fi
    entry=$folder/icd/rusticl.icd
    # llvmpipe compiles every kernel anew for each shape of a launch: unoptimized, for short vectors, that takes far less.
    export RUSTICL_ENABLE=llvmpipe GALLIVM_PERF=${GALLIVM_PERF:-nopt} LP_NATIVE_VECTOR_WIDTH=${LP_NATIVE_VECTOR_WIDTH:-128}
    export GALLIUM_PIPE_SEARCH_DIR=$folder/usr/lib/x86_64-linux-gnu/gallium-pipe
}

entries=()
for name in "${names[@]}"; do
    case "$name" in
        intel) set_up_intel ;;
        rusticl) set_up_rusticl ;;
        pocl) entry=/etc/OpenCL/vendors/pocl.icd ;;
        *)
            echo "vendors.sh: unknown vendor $name; there are intel, rusticl and pocl" >&2
            exit 64
            ;;
    esac
    entries+=("$entry")
done
OCL_ICD_VENDORS=$vendors/entries-$(IFS=+ && echo "${names[*]}")
export OCL_ICD_VENDORS
mkdir -p "$OCL_ICD_VENDORS"
cp "${entries[@]}" "$OCL_ICD_VENDORS/"
exec "$@"
