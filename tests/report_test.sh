#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A report of lichen-eval, written, taken up again after a stop, and looked at in a browser.
#   report_test.sh LICHEN_EVAL PICTURE FOLDER
# Exit code 77: all but the browser was tested, because Chromium is missing.
set -eu
eval=$1 picture=$2 folder=$3
here=$(dirname "$0")
rm -rf "$folder"
mkdir -p "$folder"

fail() { echo "$1" >&2; exit 1; }
report() {
  "$eval" "$picture" --out "$folder" --timing 1 --repeat 1 --codecs lichen,jpeg,jpeg-444 --qualities 10,90 \
    --qualities jpeg=20,90 --qualities jpeg-444=20,90 --anchor jpeg-444 \
    --custom 'copy: cp {in} {out}; cp {in} {out}; q=1' > "$folder/table.txt"
}

report
grep -q "BD-rate of jpeg against jpeg-444" "$folder/table.txt" || fail "no BD-rate against the anchor"
grep -q "BD-PSNR" "$folder/table.txt" || fail "no BD-PSNR"
for file in report.html points.csv results.json summary.md plots.gp; do
  [ -s "$folder/$file" ] || fail "$file is missing"
done
if command -v gnuplot > /dev/null; then
  for plot in psnr ssim ms_ssim speed; do
    grep -q "<svg" "$folder/$plot.svg" || fail "$plot.svg is missing"
  done
fi

grep -q "^| jpeg | [-+]" "$folder/summary.md" || fail "no BD-rate in summary.md"

# Taken up again, a run measures nothing twice: even the times are those of before.
cp "$folder/points.csv" "$folder/before.csv"
report
cmp "$folder/points.csv" "$folder/before.csv" || fail "a second run gave other figures"

# As after a kill: some results are there, the last one only in part. Times may differ, the rest not.
head -c 1500 "$folder/cache.jsonl" > "$folder/cut" && mv "$folder/cut" "$folder/cache.jsonl"
report
cut -d , -f 1-13 "$folder/points.csv" > "$folder/after"
cut -d , -f 1-13 "$folder/before.csv" | cmp - "$folder/after" || fail "a run that was taken up gave other figures"

command -v python3 > /dev/null || { echo "skipped: python3 is missing"; exit 77; }
python3 "$here/report_browser_test.py" "$folder/report.html" "$folder"
