#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From folders of pictures to a model file that the tools take with --model:
#   training/make_model.sh TILES VALID OUT.lim MINUTES [OPTION OF train.py...]
# TILES: PNG or JPEG pictures to learn from, 256 pixels a side or more; VALID: some to judge by, sides multiples of 32.
# Beside OUT.lim are left OUT.pt (to go on from, with --resume), OUT.weights.pt, OUT.tables.json, OUT.post_filter.pt
# and OUT.csv, the rate and PSNR of every picture of VALID (without the post-filter). POST_FILTER_PICTURES in the
# environment is the number of crops that the post-filter is fitted to, 1200 if it is not there.
set -eu
[ $# -ge 4 ] || { sed -n '3,8s/^# //p' "$0" >&2; exit 2; }
tiles=$1 valid=$2 out=${3%.lim} minutes=$4
shift 4
here=$(dirname "$0")
exclude=  # what is never trained on does not shape the entropy tables either
previous=
for option; do
  [ "$previous" != --exclude ] || exclude=$option
  previous=$option
done
python=${PYTHON:-/usr/bin/python3}

"$python" "$here/train.py" --data "$tiles" --out "$out" --minutes "$minutes" "$@"
"$python" "$here/refit_tables.py" "$out.weights.pt" "$out.tables.json" --data "$tiles" --valid "$valid" \
  --exclude "$exclude"
"$python" "$here/post_filter.py" "$out.weights.pt" "$out.post_filter.pt" --data "$tiles" --valid "$valid" \
  --tables "$out.tables.json" --exclude "$exclude" --crop 256 --pictures "${POST_FILTER_PICTURES:-1200}"
"$python" "$here/evaluate.py" "$out.weights.pt" "$valid" --tables "$out.tables.json" --csv "$out.csv"
"$python" "$here/export.py" "$out.weights.pt" "$out.lim" --name "$(basename "$out")" --tables "$out.tables.json" \
  --post-filter "$out.post_filter.pt"
