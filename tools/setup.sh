#!/usr/bin/env bash
# Set up all that Openwork needs: the Icarus Verilog simulator, a C++ compiler and a virtual environment in .venv with the pinned versions.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() {
    printf 'openwork: %s\n' "$*" >&2
    exit 1
}

# Debian packages named by the arguments: installed where we have the right to, otherwise the command is named.
need_packages() {
    local become=()
    if ! command -v apt-get >/dev/null; then
        stop "missing: $*. Install with your system's package manager, then run this again."
    elif [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || stop "missing: $*. Run 'sudo apt-get install $*', then run this again."
        become=(sudo -n)
    fi
    echo "Installing $* with apt-get"
    "${become[@]}" apt-get update -q
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

version_of() {
    "$1" -c 'import sys; print("{}.{}".format(*sys.version_info))'
}

python=""
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=${PYTHON:-python3}
    command -v "$found" >/dev/null || stop "Openwork needs Python 3.11 or newer, and there is no $found."
    stop "Openwork needs Python 3.11 or newer, and $found is $(version_of "$found"): name a newer one as in 'make setup PYTHON=python3.12'."
fi

missing=()
command -v iverilog >/dev/null || missing+=(iverilog)
command -v g++ >/dev/null || missing+=(g++)
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python$(version_of "$python")-venv")
[ ${#missing[@]} -eq 0 ] || need_packages "${missing[@]}"

echo "Setting up .venv with $python $(version_of "$python") and the versions in constraints.txt"
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --disable-pip-version-check --progress-bar on \
    --constraint constraints.txt --editable '.[compiler,torch,onnx,sim,fpga,sweep,docs,test]'
touch .venv/complete
