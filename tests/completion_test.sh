#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The completion for bash: options of --help, all of them, and file names where a file is wanted.
#   completion_test.sh COMPLETIONS_FOLDER TOOL...
set -euo pipefail
# shellcheck source=/dev/null
source "$1/lichen.bash"
shift

fail() { echo "$1" >&2; exit 1; }

# complete_words WORD...: what bash offers for the last of the words; the first is the tool
complete_words() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  _lichen "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  printf '%s\n' "${COMPREPLY[@]+"${COMPREPLY[@]}"}"
}

expect() {  # EXPECTED WORD...
  local expected=$1 offered
  shift
  offered=$(complete_words "$@" | tr '\n' ' ')
  [ "$offered" = "$expected" ] || fail "$*: offered '$offered', expected '$expected'"
}

for tool in "$@"; do
  name=${tool##*/}
  complete -p "$name" | grep -q -- "-F _lichen $name" || fail "$name: no completion is registered"
  listed=$("$tool" --help | sed -n 's/^  \(-[^ ]*\).*/\1/p' | tr ',' '\n' | sort)
  [ "$(echo "$listed" | wc -l)" -ge 8 ] || fail "$tool --help lists hardly any option"
  [ "$(complete_words "$tool" - | sort)" = "$listed" ] || fail "$name: other options than in --help"
  expect "--version " "$tool" --vers
  expect " " "$tool" --model --vers # a value comes there, not an option
  expect " " "$tool" photo          # files are left to bash
  case $name in
    lichen-enc) expect "--skip-existing " "$tool" -r --sk ;;
    lichen-dec) expect "--jpeg-quality " "$tool" a.lic --jp ;;
    lichen-eval)
      expect "compare " "$tool" com
      expect "--quality " "$tool" match --q
      expect "--qualities " "$tool" --q
      ;;
  esac
done
