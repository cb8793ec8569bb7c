#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The training's own passes over memory do what PyTorch's do.                               77: Debian's PyTorch is missing
set -eu
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import torch, PIL, numpy' 2> /dev/null || { echo "skipped: needs python3-torch, python3-pil, python3-numpy"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work"
"$python" "$(dirname "$0")/../training/fused_test.py"
