#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compresses and decompresses a large picture and checks the peak of resident memory of both tools:
#
#   tests/large_picture.sh [BUILD [WIDTH [HEIGHT [MIB [MIB]]]]]     default: build 20000 20000 1024
#
# MIB is the limit to encode, the second one that to decode, if it is another. Both are for two threads.
# Pictures go through pipes and fifos, so that only the .lic file takes room on the disk. Prints a table; fails when a
# tool takes more memory, or when the pictures do not agree. 20000x20000 takes about ten minutes on 2 cores.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${1:-build} width=${2:-20000} height=${3:-20000} to_encode=${4:-1024} to_decode=${5:-${4:-1024}}
tool=$build/tests/large_picture enc=$build/encoder_cli/lichen-enc dec=$build/decoder_cli/lichen-dec
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
failed=0

report() {  # LIMIT NAME: of the run that was measured last
  read -r mib seconds <"$work/peak"
  printf '%-34s %6d MiB %6d s\n' "$2" "$mib" "$seconds"
  if ((mib > $1)); then
    echo "over the limit of $1 MiB" >&2
    failed=1
  fi
}

check_psnr() {  # PSNR LEAST
  echo "PSNR $1 dB"
  awk -v psnr="$1" -v least="$2" 'BEGIN { exit !(psnr > least) }' || { echo "below $2 dB" >&2; failed=1; }
}

echo "${width}x${height} pixels"
"$tool" make "$width" "$height" - | "$tool" peak "$work/peak" "$enc" --quiet --threads 2 -q 50 - "$work/a.lic"
report "$to_encode" "lichen-enc, PNG"
du -h "$work/a.lic" | cut -f1

"$tool" peak "$work/peak" "$dec" --quiet --threads 2 "$work/a.lic" - | "$tool" compare "$width" "$height" - >"$work/psnr"
report "$to_decode" "lichen-dec, PNG"
check_psnr "$(cat "$work/psnr")" 27

"$tool" peak "$work/peak" "$dec" --quiet --threads 2 --region $((width / 3)),$((height / 3)),1000,1000 "$work/a.lic" - >/dev/null
report "$to_decode" "lichen-dec --region, 1000x1000"
"$tool" peak "$work/peak" "$dec" --quiet --threads 2 --scale 1/8 "$work/a.lic" - >/dev/null
report "$to_decode" "lichen-dec --scale 1/8"

mkfifo "$work/in.jpg"
"$tool" make "$width" "$height" "$work/in.jpg" &
"$tool" peak "$work/peak" "$enc" --quiet --threads 2 -q 50 "$work/in.jpg" "$work/b.lic"
report "$to_encode" "lichen-enc, baseline JPEG"
wait
mkfifo "$work/out.jpg"
"$tool" compare "$width" "$height" "$work/out.jpg" >"$work/psnr" &
"$tool" peak "$work/peak" "$dec" --quiet --threads 2 "$work/b.lic" "$work/out.jpg"
wait
report "$to_decode" "lichen-dec, JPEG"
check_psnr "$(cat "$work/psnr")" 27
exit $failed
