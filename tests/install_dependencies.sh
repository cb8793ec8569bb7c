#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building and testing Lichen takes, those that are missing, with sudo where needed.
#   tests/install_dependencies.sh [LIST]       LIST: a file in tests/, debian-packages.txt if none is given
set -eu
packages=$(grep -v '^#' "$(dirname "$0")/${1:-debian-packages.txt}")

command -v dpkg-query > /dev/null || { echo "no Debian packages here; install the like of: $packages"; exit 0; }
missing=
for package in $packages; do
  case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) in
    installed) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo > /dev/null || { echo "become root, or install sudo, to install:$missing" >&2; exit 1; }
  as_root="sudo"
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
