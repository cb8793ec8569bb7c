#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The MIME type file is sound, and desktops recognise .lic files by their first bytes and by their names.
#   mime_test.sh MIME_FILE LIC_FILE
# Exit code 77: not all was tested, because a program is missing.
set -eu
mime_file=$1 lic=$2
fail() { echo "$1" >&2; exit 1; }
skip() { echo "skipped: $1 is missing"; exit 77; }

command -v xmllint > /dev/null || skip xmllint
xmllint --noout "$mime_file"
command -v update-mime-database > /dev/null || skip update-mime-database
command -v gio > /dev/null || skip gio

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export XDG_DATA_HOME="$folder/share" HOME="$folder"
mkdir -p "$XDG_DATA_HOME/mime/packages"
cp "$mime_file" "$XDG_DATA_HOME/mime/packages/"
update-mime-database "$XDG_DATA_HOME/mime"

expect() {  # TYPE FILE
  found=$(gio info -a standard::content-type "$2" | sed -n 's/.*standard::content-type: //p')
  [ "$found" = "$1" ] || fail "$2: taken for $found instead of $1"
}
cp "$lic" "$folder/no-name-to-judge-by"
cp "$lic" "$folder/photo.lic"
printf 'a text' > "$folder/text"
expect image/x-lichen "$folder/no-name-to-judge-by"
expect image/x-lichen "$folder/photo.lic"
expect text/plain "$folder/text"
