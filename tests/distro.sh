#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds Lichen on another release of Debian, runs its tests there, and decodes the golden files to the hashes in their
# manifest. The release is installed by debootstrap in a temporary folder of some 2 GB, which is removed afterwards; the
# system itself is not changed. Needs root, debootstrap and a Debian mirror.
#   tests/distro.sh [RELEASE [MIRROR [FOLDER]]]
#   RELEASE  a name: trixie (Debian 13) when not given
#   MIRROR   a URL: when not given that of this machine's apt, or deb.debian.org
#   FOLDER   where the release is, or goes and stays, to be used again
# Exit code 0: all is well; 77: something it needs is missing; others: a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

release=${1:-trixie}
mirror=${2:-}
folder=${3:-}
missing() {
  echo "skipped: $1"
  exit 77
}
[ "$(id -u)" -eq 0 ] || missing "debootstrap and chroot need root"
command -v debootstrap > /dev/null || missing "debootstrap is not installed (apt-get install debootstrap)"

if [ -z "$mirror" ]; then
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2> /dev/null |
    grep -v '^ *#' | grep -Eo 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
  mirror=${mirror:-http://deb.debian.org/debian}
fi
if [ -z "$folder" ]; then
  folder=$(mktemp -d "${TMPDIR:-/tmp}/lichen-$release.XXXXXX")
  trap 'rm -rf --one-file-system "$folder"' EXIT
fi
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
echo "=== Debian $release from $mirror in $folder"

# What was broken off half way is made anew.
if [ ! -e "$folder/installed" ]; then
  debootstrap --variant=minbase "$release" "$folder" "$mirror" > "$folder/debootstrap.txt" 2>&1 || {
    tail -n 5 "$folder/debootstrap.txt" >&2
    exit 1
  }
  touch "$folder/installed"
fi

# The tree as git sees it, changes that are not committed included; newer than what was built from an older one.
rm -rf "$folder/root/src"
mkdir -p "$folder/root/src"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar -c --null -T - | tar -x -m --no-same-owner -C "$folder/root/src"
[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$folder/etc/resolv.conf"

cat > "$folder/root/check.sh" << 'CHECK'
set -eu
cd /root/src
tests/install_dependencies.sh
dpkg-query -W -f '${Package} ${Version}\n' g++ libdnnl-dev libjxl-dev libavif-dev libopencv-core-dev
cmake -S . -B /root/build -DLICHEN_WERROR=ON
cmake --build /root/build --parallel "$(nproc)"
ctest --test-dir /root/build --output-on-failure --parallel "$(nproc)"

golden=tests/data/golden
for name in $(grep -o '^ "[^"]*"' $golden/manifest.json | tr -d ' "'); do
  expected=$(sed -n "/^ \"$name\"/,/}/s/.*\"latents\": \"\([0-9a-f]*\)\".*/\1/p" $golden/manifest.json)
  got=$(/root/build/decoder_cli/lichen-dec --quiet --verify --model tests/data/toy.lim $golden/$name.lic)
  case $got in
    *"$expected"*) echo "$name.lic: latents $expected" ;;
    *) echo "$name.lic: $got, expected $expected"; exit 1 ;;
  esac
done
CHECK

# A mount namespace of its own, so that nothing stays mounted, with devices, of which the tests use terminals; and an environment without this machine's settings, but
# with its proxies.
proxies=()
for name in http_proxy https_proxy no_proxy; do
  [ -z "${!name:-}" ] || proxies+=("$name=${!name}")
done
unshare --mount bash -c 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$@"' "$folder" "$folder" /usr/bin/env -i \
  HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "${proxies[@]}" sh /root/check.sh
echo "=== Debian $release: builds, passes its tests, decodes the golden files to the same latents"
