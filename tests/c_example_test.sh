#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The example in C: a picture there and back.
#   c_example_test.sh PPM_LICHEN RAW SIZE     RAW: RGB samples of 8 bits; SIZE: "WIDTH HEIGHT"
set -eu
example=$1 raw=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
fail() { echo "$1" >&2; exit 1; }

{ printf 'P6\n%s\n255\n' "$3"; cat "$raw"; } > before.ppm
"$example" encode before.ppm a.lic 95
"$example" info a.lic | grep -q "^$(echo "$3" | tr ' ' 'x'), 3 channels, quality 9[45]\.[0-9], model " || fail "wrong facts"
"$example" decode a.lic after.ppm
[ "$(wc -c < before.ppm)" -eq "$(wc -c < after.ppm)" ] || fail "another size"
cmp -s before.ppm after.ppm && fail "nothing was compressed"
[ "$(wc -c < a.lic)" -lt "$(($(wc -c < before.ppm) / 2))" ] || fail "hardly compressed"
for file in before after; do tail -c "$(wc -c < "$raw")" $file.ppm | od -An -v -w1 -tu1 > $file; done
paste before after | awk '{ d = $1 - $2; sum += d * d } END { mean = sum / NR; print "mean squared error", mean; exit mean > 100 }' ||
  fail "another picture"

"$example" decode a.lic preview.ppm 4
quarter=$(echo "$3" | awk '{ print int(($1 + 3) / 4), int(($2 + 3) / 4) }')
[ "$(sed -n 2p preview.ppm)" = "$quarter" ] || fail "a preview of another size"
[ "$(wc -c < preview.ppm)" -eq "$(echo "$quarter" | awk '{ print length($0) + 8 + $1 * $2 * 3 }')" ] ||
  fail "a preview with rows missing"
if "$example" decode a.lic none.ppm 3 2> error; then fail "a scale of 1/3"; fi
grep -q '^a.lic: the scale must be' error || fail "no sentence: $(cat error)"

head -c 40 a.lic > cut.lic
if "$example" decode cut.lic cut.ppm 2> error; then fail "half a file was decoded"; fi
grep -q '^cut.lic: .*[a-z]' error || fail "no sentence: $(cat error)"
[ ! -e cut.ppm ] || fail "half a file gave a picture"
