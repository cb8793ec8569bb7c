#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds Lichen, compresses and decompresses a photograph and sets it beside JPEG.
#   eval/demo.sh [PHOTO [QUALITY]]
set -eu
start=$PWD
cd "$(dirname "$0")/.."
photo=${1:-tests/data/colosseum.png}
quality=${2:-50}
case $photo in
  /* | tests/data/colosseum.png) ;;
  *) photo=$start/$photo ;;
esac

tests/install_dependencies.sh
cmake -S . -B build
cmake --build build --parallel "$(nproc)" --target lichen-enc lichen-dec lichen-eval

mkdir -p build/demo
echo
build/encoder_cli/lichen-enc -q "$quality" "$photo" build/demo/photo.lic
build/decoder_cli/lichen-dec build/demo/photo.lic build/demo/photo.png
echo
build/eval/lichen-eval match "$photo" build/demo/photo.lic
echo
echo "Look at build/demo/photo.png, decoded from build/demo/photo.lic."
