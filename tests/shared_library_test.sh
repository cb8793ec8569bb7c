#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A shared liblichen shows what its public headers declare, and nothing else.
#   shared_library_test.sh LIBRARY C_HEADER
set -eu
library=$1 header=$2
fail() { echo "$1" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

readelf -d "$library" | grep -q 'SONAME.*\[liblichen\.so\.0\]' || fail "$library: the soname is not liblichen.so.0"
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort -u > "$folder/shown"
grep '^lichen_' "$folder/shown" > "$folder/functions"
grep -o 'lichen_[a-z_]*(' "$header" | tr -d '(' | sort -u > "$folder/declared"
[ "$(wc -l < "$folder/declared")" -ge 30 ] || fail "$header declares hardly any function"
diff "$folder/functions" "$folder/declared" || fail "other C functions than those of $header (>)"

grep -v '^lichen_' "$folder/shown" | c++filt > "$folder/cpp"
for name in 'lichen::Version()' 'lichen::Encode(lichen::Image const&' 'lichen::Decode(unsigned char const\*' \
  'lichen::Inspect(' 'lichen::HashLatents(' 'lichen::Model::Default()' 'lichen::Model::Parse('; do
  grep -q "^$name" "$folder/cpp" || fail "$name is hidden"
done
# The functions of the public headers and the members of their classes.
if grep -v -E '^lichen::(Version|Encode|Decode|Inspect|HashLatents|Model|Row(Source|Sink)|Image|ImageHeader|Status|Result<|EncodeOptions|DecodeOptions|Info)\b' "$folder/cpp" | grep .; then
  fail "shown above: symbols that no public header declares"
fi
