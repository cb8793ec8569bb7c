# SPDX-License-Identifier: Apache-2.0
# The completion for zsh, in a zsh on a pseudo terminal: options of --help, all of them, and file names.
#   zsh -f completion_test.zsh COMPLETIONS_FOLDER TOOL...
zmodload zsh/zpty
local folder=$1:A
shift
fail() { print -ru2 -- "$1"; exit 1 }

# What _lichen would offer, with the names of all options.
offered() {  # TOOL
  local -a words=($1 -)
  local CURRENT=2
  _call_program() { shift; eval "$@" }
  _arguments() { print -rl -- "$@" }
  source $folder/_lichen | sed -n 's/^\*\(-[^[]*\)\[.*/\1/p'
}
for tool in $@; do
  listed=$($tool --help | sed -n 's/^  \(-[^ ]*\).*/\1/p' | tr ',' '\n' | sort)
  (( ${#${(f)listed}} >= 8 )) || fail "$tool --help lists hardly any option"
  [[ "$(offered $tool | sort)" == $listed ]] || fail "$tool: other options than in --help"
done

mkdir -p ${TMPDIR:-/tmp}/lichen-zsh-$$ && cd ${TMPDIR:-/tmp}/lichen-zsh-$$ || exit 1
trap "rm -rf $PWD" EXIT
touch some-model.lim
zpty shell zsh -f -i
answer() {  # PATTERN KEYS: types the keys, and reads until the pattern appears
  local text= piece
  zpty -n -w shell $2
  repeat 600; do
    while zpty -rt shell piece; do text+=$piece; done
    [[ $text == *$~1* ]] && return
    sleep 0.1
  done
  fail "typed ${(qqqq)2}, expected $1, got ${(qqqq)text}"
}
answer 'rea*dy' "unsetopt zle_bracketed_paste prompt_cr; PS1='> '; fpath=(${(q)folder} \$fpath); path=(${(j: :)${(@q)@:h}} \$path); autoload -Uz compinit; compinit -u -D; print rea''dy"$'\n'
answer '--skip-existing' $'lichen-enc --skip-e\t'
answer 'some-model.lim' $' --model some\t'
answer '> ' $'\C-u\n'
answer '--png-level' $'lichen-dec a.lic --png\t'
zpty -d shell
