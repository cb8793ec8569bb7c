#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A manual page renders without a warning, and has the options of the tool's --help: all of them and no others.
#   man_page_test.sh PAGE TOOL [SUBCOMMAND...]
# Exit code 77: only the options were compared, because groff is missing.
set -eu
page=$1 tool=$2
shift 2

fail() { echo "$1" >&2; exit 1; }
# "  -q,--quality Q    Text" gives -q and --quality.
options_of() { "$tool" "$@" --help | sed -n 's/^  \(-[^ ]*\).*/\1/p' | tr ',' '\n'; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
{
  options_of
  for subcommand in "$@"; do options_of "$subcommand"; done
} | sort -u > "$folder/help"
# ".It Fl q , Fl -quality Ar Q" gives the same.
sed -n 's/^\.It Fl/Fl/p' "$page" | tr ' ' '\n' | sed -n '/^Fl$/{n;s/^/-/;p;}' | sort -u > "$folder/page"
[ "$(wc -l < "$folder/help")" -ge 8 ] || fail "$tool --help lists hardly any option"
diff "$folder/help" "$folder/page" || fail "$page: other options than in $tool --help (<)"

command -v groff > /dev/null || { echo "skipped: groff is missing"; exit 77; }
groff -ww -z -mandoc -Tutf8 "$page" 2> "$folder/warnings"
[ ! -s "$folder/warnings" ] || fail "$(cat "$folder/warnings")"
groff -mandoc -Tascii -P-cbou "$page" | grep -q "EXIT STATUS" || fail "$page: not rendered"
if command -v mandoc > /dev/null; then mandoc -T lint -W warning "$page"; fi
