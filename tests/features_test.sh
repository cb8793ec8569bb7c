#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests that docs/features.md names are tests of this build.
#   features_test.sh FEATURES BUILD CTEST
set -eu
features=$1 build=$2 ctest=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Tests by name, or, of those that a program discovered, by the program.
"$ctest" --test-dir "$build" --show-only=json-v1 > "$folder/all"
grep -o -E '"name" : "[A-Za-z0-9_]+"|"/[^"]*/[a-z0-9_]+"' "$folder/all" | sed -E 's/_NOT_BUILT"$/"/; s/.*["/]([A-Za-z0-9_]+)"$/\1/' |
  sort -u > "$folder/tests"
awk -F'|' '/^\| /{ print $4 }' "$features" | grep -o '`[^`]*`' | tr -d '`' | sort -u > "$folder/named"
[ "$(wc -l < "$folder/named")" -ge 20 ] || { echo "$features names hardly any test" >&2; exit 1; }
failed=0
while read -r name; do
  grep -q -x "$(echo "$name" | sed 's/\*/[a-z0-9_]*/g')" "$folder/tests" || { echo "$features: there is no test $name" >&2; failed=1; }
done < "$folder/named"
if awk -F'|' '/^\| /{ if ($4 !~ /`|^ test $/) { print; found = 1 } } END { exit !found }' "$features"; then
  echo "$features: rows without a test, above" >&2
  failed=1
fi
exit $failed
