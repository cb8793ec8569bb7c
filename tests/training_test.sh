#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A model trained for seconds from pictures, by the one command of training/README.md, codes a picture with the tools.
#   training_test.sh LICHEN_ENC LICHEN_DEC LICHEN_EVAL PHOTO           77: Debian's PyTorch is missing
set -eu
enc=$1 dec=$2 eval=$3 photo=$4
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import torch, PIL, numpy' 2> /dev/null || { echo "skipped: needs python3-torch, python3-pil, python3-numpy"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache" OMP_NUM_THREADS=1 POST_FILTER_PICTURES=60

mkdir "$work/tiles" "$work/valid"
"$python" - "$photo" "$work" <<'P'
import sys
from PIL import Image
photo = Image.open(sys.argv[1]).convert('RGB')
photo.crop((0, 0, 320, 320)).save(sys.argv[2] + '/tiles/a.png')
photo.crop((photo.width - 320, 0, photo.width, 320)).save(sys.argv[2] + '/tiles/b.png')
photo.crop((photo.width // 2 - 128, photo.height - 128, photo.width // 2 + 128, photo.height)).save(sys.argv[2] + '/valid/c.png')
P
"$(dirname "$0")/../training/make_model.sh" "$work/tiles" "$work/valid" "$work/small.lim" 0.3 --batch 1 \
  --net c4=48 c8=32 middle8=16 c16=64 middle16=16 M=64 Z=8 P=16 middle_context=16 n8=1 thin8=0

# A hundred steps from a Karhunen-Loeve start are a codec already: quality 90 is well above quality 10, and both are pictures.
for q in 10 90; do
  "$enc" --model "$work/small.lim" -q $q "$photo" "$work/$q.lic"
  "$dec" --model "$work/small.lim" "$work/$q.lic" "$work/$q.png"
  "$eval" compare "$photo" "$work/$q.png" | tee "$work/$q.txt"
done

# The post-filter does something for a picture that it was fitted to.
train=$(dirname "$0")/../training
"$python" "$train/export.py" "$work/small.weights.pt" "$work/plain.lim" --name plain --tables "$work/small.tables.json"
"$enc" --model "$work/plain.lim" -q 90 "$photo" "$work/plain.lic"
"$dec" --model "$work/plain.lim" "$work/plain.lic" "$work/plain.png"
"$eval" compare "$photo" "$work/plain.png" | tee "$work/plain.txt"

# The same with residual blocks in 8-bit integers: steps are found and trained, go into the model file, and are used.
"$python" "$train/train.py" --data "$work/tiles" --out "$work/rounded" --minutes 0.1 --batch 1 --resume "$work/small.weights.pt" --rounded
"$python" "$train/train.py" --data "$work/tiles" --out "$work/again" --minutes 0.02 --batch 1 --resume "$work/rounded.pt" --weight 28 \
  --post-filter "$work/small.post_filter.pt"
"$python" "$train/export.py" "$work/again.weights.pt" "$work/again.lim" --name again
"$python" - "$work/again.weights.pt" <<'P'
import sys
import torch
steps = [v.float() for k, v in torch.load(sys.argv[1])['average'].items() if '.step_' in k]
assert steps and all(v.std() > 0 and v.abs().max() < 16 for v in steps)
P
"$python" - "$train" "$work/small.post_filter.pt" <<'P'
import sys
sys.path.insert(0, sys.argv[1])
import torch
from post_filter import InTheLoop, Picture, weights_for
x = torch.rand(2, 3, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
x_hat, q = 0.1 + 0.7 * x, torch.tensor([0.1, 0.8])
in_the_loop = InTheLoop(torch.load(sys.argv[2]))
behind = x_hat + in_the_loop.correction(x, x_hat, q)
for picture, x_of, behind_of in zip(Picture.observe(x, x_hat, q)[0], x, behind):
    best = picture.without(weights_for(picture, in_the_loop.fitted, ridge=in_the_loop.RIDGE)).error
    assert best < picture.without(weights_for(picture, in_the_loop.fitted, 0)).error  # than the mean alone
    assert abs(3 * ((behind_of - x_of) ** 2).mean() / best - 1) < 0.01
in_the_loop.EVERY, in_the_loop.KEPT, mean = 1, 2, in_the_loop.fitted['mean']
in_the_loop.correction(x, x_hat, q)
assert (in_the_loop.fitted['mean'] != mean).any()  # it follows
P
"$enc" --model "$work/again.lim" -q 90 "$photo" "$work/rounded.lic"
"$dec" --model "$work/again.lim" "$work/rounded.lic" "$work/rounded.png"
"$eval" compare "$photo" "$work/rounded.png" | tee "$work/rounded.txt"

psnr() { sed -n 's/.*PSNR[^0-9]*\([0-9.]*\).*/\1/p' "$work/$1.txt" | head -n 1; }
echo "PSNR at -q 10: $(psnr 10), at -q 90: $(psnr 90), without post-filter: $(psnr plain), with rounded blocks: $(psnr rounded)"
[ "$(stat -c %s "$work/10.lic")" -lt "$(stat -c %s "$work/90.lic")" ]
awk -v low="$(psnr 10)" -v high="$(psnr 90)" 'BEGIN { exit !(low > 20 && high > low + 1) }'
awk -v plain="$(psnr plain)" -v high="$(psnr 90)" 'BEGIN { exit !(high > plain + 0.3) }'
awk -v rounded="$(psnr rounded)" -v plain="$(psnr plain)" 'BEGIN { exit !(rounded > plain - 1) }'
"$dec" "$work/10.lic" "$work/x.png" 2> "$work/error" && exit 1  # the built-in model is another
grep -q model "$work/error"
