#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands of docs/many-machines.md as they stand there, and docs/lichen-array.sh.
#   many_machines_test.sh LICHEN_ENC LICHEN_DEC
# Exit code 77: all but GNU parallel was tested, because it is missing.
set -euo pipefail
enc=$(realpath "$1") dec=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export HOME="$folder"
fail() { echo "$1" >&2; exit 1; }

# The tools as they would be installed, but for the small model; every start is counted.
mkdir bin
for tool in enc dec; do
  printf '#!/bin/sh\necho x >> "%s"\nexec "%s" --model "%s" "$@"\n' "$folder/starts" "${!tool}" "$here/data/toy.lim" \
    > "bin/lichen-$tool"
done
chmod +x bin/*
export PATH="$folder/bin:$PATH"

mkdir -p 'photos/a b/deep'
names="one.png two.png a|b/three.jpg a|b/it's.png a|b/deep/four.png a|b/deep/five.png a|b/deep/six.PNG"
golden=(rgb gray 1x1 alpha tiles rgb gray)
i=0
for name in $names; do
  lichen-dec --quiet "$here/data/golden/${golden[i]}.lic" "photos/${name/|/ }"
  i=$((i + 1))
done
lichen-enc --quiet -r photos -o expected
listing() { (cd "$1" && find . -type f -exec cksum {} + | sort -k 3); }
expected=$(listing expected)
check() { [ "$(listing compressed)" = "$expected" ] || fail "$1: other files than lichen-enc -r makes"; }

block() {  # NUMBER: a block of commands of the document
  awk -v want="$1" '/^```sh$/ { ++n; inside = 1; next } /^```$/ { inside = 0 } inside && n == want' \
    "$here/../docs/many-machines.md"
}

# Slurm: every line belongs to one task, whatever the array.
bash -euc "$(block 3)"
[ "$(wc -l < pictures.txt)" -eq 7 ] || fail "pictures.txt: $(cat pictures.txt)"
array() {  # FIRST LAST STEP: runs all tasks, in any order; fails when one does
  local status=0 id
  for id in $(seq "$1" "$3" "$2" | sort -r); do
    SLURM_ARRAY_TASK_ID=$id SLURM_ARRAY_TASK_MIN=$1 SLURM_ARRAY_TASK_STEP=$3 SLURM_CPUS_PER_TASK=2 \
      SLURM_ARRAY_TASK_COUNT=$((($2 - $1) / $3 + 1)) sh "$here/../docs/lichen-array.sh" pictures.txt photos compressed ||
      status=$?
  done
  return $status
}
for shape in "0 0 1" "0 2 1" "1 4 1" "0 6 2" "5 20 5" "0 11 1"; do
  rm -rf compressed starts
  # shellcheck disable=SC2086 # three words
  array $shape || fail "array $shape: exit code $?"
  check "array $shape"
  [ "$(wc -l < starts)" -eq 7 ] || fail "array $shape: $(wc -l < starts) starts for 7 pictures"
done
sh "$here/../docs/lichen-array.sh" pictures.txt photos compressed || fail "outside Slurm: exit code $?"

# A bad picture: its task fails, the rest is done; repeated with a good one, only it is done.
rm -rf compressed
echo bad > photos/two.png
status=0
array 0 2 1 2> errors || status=$?
[ "$status" -eq 123 ] || fail "a bad picture: exit code $status"
grep -q "^lichen-enc: photos/two.png: " errors || fail "a bad picture: $(cat errors)"
[ "$(find compressed -name '*.lic' | wc -l)" -eq 6 ] || fail "a bad picture stopped others"
lichen-dec --quiet "$here/data/golden/gray.lic" photos/two.png
touch -d '2020-01-01' compressed/one.lic
array 0 2 1 || fail "again: exit code $?"
check again
[ "$(date -r compressed/one.lic +%Y)" -eq 2020 ] || fail "an output that existed was written again"

command -v parallel > /dev/null || { echo "skipped: GNU parallel is missing"; exit 77; }
mkdir -p .parallel && touch .parallel/will-cite

rm -rf compressed
bash -euo pipefail -c "$(block 1)" || fail "parallel: exit code $?"
check parallel
[ "$(awk 'NR > 1 && $7 == 0' encode.log | wc -l)" -eq 7 ] || fail "parallel: $(cat encode.log)"
echo bad > photos/two.png
rm compressed/two.lic compressed/one.lic
status=0
bash -euo pipefail -c "$(block 1)" 2> errors || status=$?
[ "$status" -eq 1 ] || fail "parallel with one bad picture: exit code $status"
[ -f compressed/one.lic ] || fail "parallel: the rest was not done"
lichen-dec --quiet "$here/data/golden/gray.lic" photos/two.png
bash -euo pipefail -c "$(block 1)" || fail "parallel again: exit code $?"
check "parallel again"

# Two machines that share the folders; their ssh is a shell here, which starts in the home folder and sets SHELL as sshd
# does (without SHELL, parallel runs nothing there and ends with 0).
cat > bin/a-shell-for-ssh <<'SSH'
#!/bin/bash
while [[ $1 == -* ]]; do shift; done
echo "$1" >> "$HOME/machines-used"
shift
if [[ $1 == -- ]]; then shift; fi
export SHELL=/bin/sh
cd "$HOME" && exec sh -c "$*"
SSH
chmod +x bin/a-shell-for-ssh
printf '2/node1\n1/node2\n' > machines
rm -rf compressed
PARALLEL_SSH="$folder/bin/a-shell-for-ssh" bash -euo pipefail -c "$(block 2)" || fail "parallel over ssh: exit code $?"
check "parallel over ssh"
[ "$(sort -u machines-used | tr '\n' ' ')" = "node1 node2 " ] || fail "machines used: $(sort machines-used | uniq -c)"
