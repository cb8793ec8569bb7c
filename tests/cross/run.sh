#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the entropy decoder for 64-bit Arm and for big-endian s390x, runs it under qemu-user over the golden files, and
# so as other x86-64 processors do, and compares the latent hashes with the manifest. Needs, on Debian 12:
#   apt-get install qemu-user g++-aarch64-linux-gnu g++-s390x-linux-gnu nlohmann-json3-dev libxxhash-dev
# and, once, the network: zlib's and zstd's static libraries for those processors come from Debian into
# $LICHEN_CROSS_CACHE (build/cross when not set).
# Exit code 0: equal; 1: different or broken; 77: the tools are missing.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
golden=$root/tests/data/golden
files=()
for name in $(grep -o '^ "[^"]*"' "$golden/manifest.json" | tr -d ' "'); do files+=("$name"); done

check() { # NAME COMPILER RUNNER...
  local name=$1 compiler=$2
  shift 2
  # Their headers, which are the same for every processor, are the machine's own.
  $compiler -std=c++17 -O2 -static -I"$root" -I"$root/codec/include" -I"$root/bitstream/include" \
    -idirafter /usr/include \
    -o "$work/decoder" "$root"/tests/cross/portable_decoder.cc "$root"/bitstream/*.cc \
    "$root"/codec/{coded_elements,dct,dct_tile,entropy_model,half_float,integer_network,latent_arithmetic,latent_hash,model_data,rate_distortion,trellis}.cc -lzstd -lz
  for file in "${files[@]}"; do
    local expected got
    expected=$(sed -n "/^ \"$file\"/,/}/s/.*\"latents\": \"\([0-9a-f]*\)\".*/\1/p" "$golden/manifest.json")
    got=$("$@" "$work/decoder" "$root/tests/data/toy.lim" "$golden/$file.lic" | cut -d' ' -f1)
    if [ "$expected" != "$got" ]; then
      echo "$name: $file.lic gives $got, expected $expected"
      exit 1
    fi
  done
  echo "$name: ${#files[@]} golden files give the expected latents"
}

missing() {
  echo "skipped: $1 (tests/cross/run.sh says what to install)"
  exit 77
}
for tool in qemu-x86_64 qemu-aarch64 qemu-s390x aarch64-linux-gnu-g++ s390x-linux-gnu-g++; do
  command -v "$tool" > /dev/null || missing "$tool is not installed"
done
fetch_libraries() { # ARCHITECTURE: zlib and zstd, without touching the system's own package state
  local folder=$cache/$1
  [ -e "$folder/ok" ] && return
  mkdir -p "$folder/lists/partial" "$folder/archives"
  local options=(-o "APT::Architecture=$1" -o "APT::Architectures=$1" -o "Dir::State::Lists=$folder/lists"
    -o "Dir::Cache=$folder/archives")
  (cd "$folder" && apt-get -qq "${options[@]}" update && apt-get -qq "${options[@]}" download zlib1g-dev libzstd-dev &&
    for package in ./*.deb; do dpkg -x "$package" root; done && touch ok) > /dev/null 2>&1 || return 1
  rm -rf "$folder/lists" "$folder/archives"
}
cache=${LICHEN_CROSS_CACHE:-$root/build/cross}
for architecture in arm64 s390x; do
  fetch_libraries "$architecture" || missing "zlib and zstd for $architecture could not be fetched"
done

check x86-64 g++ env
# Loops are compiled for several sets of instructions, of which this machine takes one.
check "x86-64 without AVX" g++ qemu-x86_64 -cpu qemu64
check "x86-64 with what qemu has, AVX2 but no AVX-512" g++ qemu-x86_64 -cpu max
check aarch64 "aarch64-linux-gnu-g++ -L$cache/arm64/root/usr/lib/aarch64-linux-gnu" qemu-aarch64
check s390x "s390x-linux-gnu-g++ -L$cache/s390x/root/usr/lib/s390x-linux-gnu" qemu-s390x
