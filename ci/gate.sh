#!/usr/bin/env bash
# Verify recipes as a gate: every report in one folder, one summary, and the exit code of `repro verify`.
#
#   ci/gate.sh [-o DIR] [--name NAME] [--changed-since REV] [--baseline FILE] [--rebuilds N] [--backend NAME] [RECIPE]...
#
# In the project's folder. Without RECIPE: all of them. DIR (out/gate) gets a folder a recipe with report.json,
# report.html, report.md, junit.xml, report.sarif and log.txt; and summary.md, which joins them for a comment and whose
# first line says which gate's it is (NAME), so that the comment can be found and replaced; and `verdict`, one word.
# What recipes/RECIPE/baseline.toml says is known does not fail the gate; --baseline names another file, for one RECIPE.
# $REPRO is the program (repro), $PYTHON any Python 3 (python3). Nothing outside of DIR and out/ is written but the store.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
repro=${REPRO:-repro}
folder=out/gate
name=repro
baseline=
options=()
recipes=()

refuse() { # refuse MESSAGE HINT
  printf 'gate: %s\nhint: %s\n' "$1" "$2" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    -o | --name | --changed-since | --baseline | --rebuilds | --backend)
      if [ $# -lt 2 ]; then refuse "$1 needs a value" "see --help"; fi
      case $1 in
        -o) folder=$2 ;;
        --name) name=$2 ;;
        --baseline) baseline=$2 ;;
        *) options+=("$1=$2") ;;
      esac
      shift
      ;;
    --)
      shift
      recipes+=("$@")
      break
      ;;
    -*) refuse "there is no option $1" "see --help" ;;
    *) recipes+=("$1") ;;
  esac
  shift
done

[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] || refuse "--name: $name is not valid" "letters, digits, dots and dashes"
# What an earlier gate said is no answer of this one, also where this one refuses; nothing else is ever removed.
if [ -e "$folder/.gate" ]; then
  rm -rf -- "$folder"
elif [ -n "$(ls -A -- "$folder" 2>/dev/null)" ]; then
  refuse "$folder holds something else than the reports of a gate" "name another folder with -o"
fi
command -v "$repro" >/dev/null || refuse "there is no program $repro" "install repro, or say in \$REPRO where it is"
[ -d recipes ] || refuse "there is no folder recipes here" "change into the project's folder"
if [ ${#recipes[@]} = 0 ]; then
  for path in recipes/*/recipe.toml; do
    if [ -e "$path" ]; then recipes+=("$(basename "$(dirname "$path")")"); fi
  done
fi
[ ${#recipes[@]} -gt 0 ] || refuse "there is no recipe here" "a recipe is a file recipes/NAME/recipe.toml"
for recipe in "${recipes[@]}"; do # all of them before the first is built
  [[ $recipe =~ ^[a-z0-9][a-z0-9-]*$ && -e recipes/$recipe/recipe.toml ]] ||
    refuse "there is no recipe $recipe" "there are: $(cd recipes && echo *)"
done
[ -z "$baseline" ] || [ ${#recipes[@]} = 1 ] || refuse "--baseline takes exactly one RECIPE" "name the one it is about"

if ! mkdir -p -- "$folder" || ! : >"$folder/.gate"; then
  refuse "cannot write to $folder" "name another folder with -o"
fi

results=()
for recipe in "${recipes[@]}"; do
  reports=$folder/$recipe
  mkdir -p -- "$reports"
  known=$baseline
  if [ -z "$known" ] && [ -e "recipes/$recipe/baseline.toml" ]; then known=recipes/$recipe/baseline.toml; fi
  code=0
  "$repro" verify "$recipe" "${options[@]}" ${known:+"--baseline=$known"} \
    --report json="$reports/report.json" --report html="$reports/report.html" \
    --report markdown="$reports/report.md" --report junit="$reports/junit.xml" \
    --report sarif="$reports/report.sarif" 2>&1 | tee -- "$reports/log.txt" || code=${PIPESTATUS[0]}
  results+=("$recipe=$code")
  if [ "$code" = 130 ]; then break; fi
done

# The worst first, as `repro verify` orders them for several recipes. Anything else is worse still: no answer at all.
order="130 70 5 2 3 4 1 6 7 0"
worst=
for result in "${results[@]}"; do
  code=${result##*=}
  case " $order " in *" $code "*) ;; *) worst=$code ;; esac
done
for code in $order; do
  case "${results[*]} " in *"=$code "*) worst=${worst:-$code} ;; esac
done

"${PYTHON:-python3}" "$here/summary.py" --name "$name" --code "$worst" "$folder" "${results[@]}" || {
  echo "gate: the summary could not be written" >&2
  if [ "$worst" = 0 ]; then worst=70; fi # without it nobody would see what this 0 rests on
}
exit "$worst"
