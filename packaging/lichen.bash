# SPDX-License-Identifier: Apache-2.0
# bash completion for lichen-enc, lichen-dec and lichen-eval. What there is to complete, the tools' --help says.

# _lichen TOOL WORD PREVIOUS_WORD, as bash calls it
_lichen() {
  local tool=${1/#\~/$HOME} word=$2 before=$3 subcommand='' line names rest name value=
  local -a options=()
  COMPREPLY=()
  if [[ ${1##*/} == lichen-eval ]]; then
    case ${COMP_WORDS[1]} in
      compare | match) ((COMP_CWORD > 1)) && subcommand=${COMP_WORDS[1]} ;;
      *) ((COMP_CWORD == 1)) && [[ $word != -* ]] && mapfile -t COMPREPLY < <(compgen -W 'compare match' -- "$word") ;;
    esac
  fi
  # Lines such as "  -q,--quality Q          Quality, 0 (smallest) to 100 (best)"
  while IFS= read -r line; do
    [[ $line == '  -'* ]] || continue
    read -r names rest <<< "$line"
    for name in ${names//,/ }; do
      options+=("$name")
      # One space before the name of a value, several before the text.
      [[ $name == "$before" && $line == "  $names "[![:space:]]* ]] && value=${rest%% *}
    done
  done < <("$tool" $subcommand --help 2> /dev/null)
  if [[ -n $value ]]; then
    case $value in
      *FILE* | *FOLDER* | *NAME*) ;;  # file names, by -o default
      *) compopt +o default 2> /dev/null ;;
    esac
    COMPREPLY=()
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${options[*]}" -- "$word")
  fi
}

complete -o default -F _lichen lichen-enc lichen-dec lichen-eval
