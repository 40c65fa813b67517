#!/usr/bin/env bash
# Make the virtual environment in folder $1, unless a working one of Python 3.11 or newer is there: setup/venv.sh .venv
#
# Takes $PYTHON if it is set, else the first Python on the host that is new enough and can make one. Where only the
# module for it is missing (Debian splits it off), or Python itself, apt installs it: as root, or with sudo that asks
# no password; else the line to type is printed.
set -euo pipefail

folder=$1
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
makes_venv='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
works() { "$1" -I -c "$2" >/dev/null 2>&1; }

# Programs in it name its place, so one that was moved is of no use.
if [ "$(cat "$folder/.place" 2>/dev/null)" = "$PWD" ] && works "$folder/bin/python" "$new_enough; import pip"; then
  exit 0
fi

find_python() { # find_python TEST: the path of the first Python that passes it
  local python
  if [ -n "${PYTHON:-}" ]; then set -- "$1" "$PYTHON"; else
    set -- "$1" python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3.1[1-9]
  fi
  for python in "${@:2}"; do
    if works "$python" "$1"; then
      "$python" -I -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

as_root=()
may_install() {
  if ! command -v apt-get >/dev/null; then return 1; fi
  if [ "$(id -u)" = 0 ]; then return 0; fi
  as_root=(sudo -n)
  command -v sudo >/dev/null && sudo -n true 2>/dev/null
}

apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2; }

install() { # install PACKAGE…
  if ! may_install; then
    set -- "$@" $("$(dirname "$0")/host-packages.sh" --list verify) # one line for all that will be needed
    echo "No Python here can make a virtual environment. Type this line, then try again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $*" >&2
    exit 1
  fi
  apt update || true
  apt install -y --no-install-recommends "$@"
}

too_old() {
  echo "repro needs Python 3.11 or newer; found: ${PYTHON:-$(python3 --version 2>&1 || echo none)}." >&2
  echo "Debian has it since 12, Ubuntu since 23.04. Another one is chosen by: make PYTHON=/path/to/python3.11 …" >&2
  exit 1
}

python=$(find_python "$makes_venv" || true)
if [ -z "$python" ]; then
  if python=$(find_python "$new_enough"); then
    # Debian names the package after the version; the one called python3-venv belongs to its default Python alone.
    install "python$("$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  elif [ -n "${PYTHON:-}" ] || ! command -v apt-get >/dev/null; then
    too_old
  else
    if may_install; then apt update || true; fi
    version=$(apt-cache pkgnames python3. | grep -xE 'python3\.1[1-9]' | sort -V | tail -1 || true)
    install "${version:-python3}" "${version:-python3}-venv"
  fi
  python=$(find_python "$makes_venv") || too_old
fi

echo "making $folder with $("$python" --version) ($python)" >&2
"$python" -m venv --clear "$folder"
printf %s "$PWD" >"$folder/.place"
