#!/usr/bin/env bash
# Makes dist/apus-<os>-<arch>.tar.xz: the command and what it needs beside glibc 2.35, networks, and selftest.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=.build-bundle
name=apus-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
folder=dist/$name
newest_glibc=2.35
largest_bytes=$((30 << 20))

Scripts/setup.sh
# A libstdc++ of our own would stand before the one that a driver needs: it is linked in. Where a folder holds only the
# archive the linker takes that.
mkdir -p "$scratch/static"
ln -sf "$(gcc -print-file-name=libstdc++.a)" "$scratch/static/libstdc++.a"
gcc -O2 -Wall -Werror -c Scripts/bundle/arc4random.c -o "$scratch/static/arc4random.o"
# DT_RPATH, unlike DT_RUNPATH, also serves the libraries of the libraries.
swift build -c release --product apus --static-swift-stdlib --scratch-path "$scratch" \
    -Xswiftc "-L$PWD/$scratch/static" -Xlinker "$PWD/$scratch/static/arc4random.o" \
    -Xlinker --disable-new-dtags -Xlinker -rpath -Xlinker '$ORIGIN/lib'

rm -rf "$folder"
mkdir -p "$folder/lib" "$folder/Models"
cp "$scratch/release/apus" "$folder/apus"
strip "$folder/apus"

# What glibc brings along stays the target's own.
ldd "$folder/apus" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | while read -r soname path; do
    case "$soname" in
        libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.* | libutil.so.*) ;;
        *)
            cp -L "$path" "$folder/lib/$soname"
            strip --strip-unneeded "$folder/lib/$soname"
            ;;
    esac
done

for file in "$folder/apus" "$folder"/lib/*; do
    newest=$({ objdump -T "$file" | grep --only-matching 'GLIBC_2\.[0-9]*' || true; } | sort --unique --version-sort |
        tail -n 1)
    later=$(printf '%s\n' "GLIBC_$newest_glibc" "$newest" | sort --version-sort | tail -n 1)
    if [ "$later" != "GLIBC_$newest_glibc" ]; then
        echo "$file needs $newest, the bundle is for glibc $newest_glibc or later" >&2
        exit 1
    fi
done

cp -r Models/digits "$folder/Models/"
for network in resnet18 resnet50 mobilenet_v2 efficientnet_b0 vgg16 vit_b_16; do
    mkdir "$folder/Models/$network"
    cp "Models/$network/$network.onnx" "$folder/Models/$network/"
done
cp Scripts/bundle/selftest.sh Scripts/bundle/README.md LICENSE "$folder/"

tar --create --file - --directory dist --sort name --owner 0 --group 0 --numeric-owner --mtime @0 "$name" |
    xz -9 --threads 2 >"dist/$name.tar.xz"
bytes=$(stat --format %s "dist/$name.tar.xz")
echo "dist/$name.tar.xz: $bytes bytes"
if [ "$bytes" -ge "$largest_bytes" ]; then
    echo "the bundle must stay under $largest_bytes bytes" >&2
    exit 1
fi
