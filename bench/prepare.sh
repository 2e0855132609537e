# Sourced by the programs of this folder: says what is missing, installs nothing, and compiles.
export PATH="$PATH:/usr/sbin:/sbin" # tgtd, mkfs

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need node "nodejs (20 or newer)"
need cmake cmake
need ninja ninja-build
need c++ g++
need pkg-config pkg-config
! command -v pkg-config >/dev/null || pkg-config --exists libiscsi || missing+=(libiscsi-dev)
[ -e node_modules/typescript ] || missing+=("npm packages (bin/setup brings them)")
if [ ${#missing[@]} -gt 0 ]; then
  printf 'bench: not installed (names as in Debian):\n' >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 2
fi

node node_modules/typescript/bin/tsc -p .
