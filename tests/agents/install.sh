#!/bin/sh
# install.sh DIRECTORY: installs the agents that the tests run, in the versions of package-lock.json, into DIRECTORY, and
# links their programs in DIRECTORY/bin. Nothing is installed globally and no script of a package runs: what opencode's
# would do, to find the program that fits this processor, is done here. A second call is quick; two at a time wait.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
exec 9>.lock
flock 9
if cmp -s "$here/package-lock.json" installed; then
    exit 0
fi
rm -rf installed bin
cp "$here/package.json" "$here/package-lock.json" .
npm install --ignore-scripts --no-audit --no-fund --loglevel=error >&2
mkdir bin

# link NAME PROGRAM...: the first program that can say its version here. Of opencode's two for one processor, the one for older
# machines comes first in the order of names, and runs on all.
link() {
    name=$1
    shift
    for program in "$@"; do
        if [ -x "$program" ] && env -i HOME="$PWD/home" "$program" --version >/dev/null 2>&1; then
            ln -s "../$program" "bin/$name"
            return
        fi
    done
    echo "none of the programs of $name runs on this machine" >&2
    exit 1
}

mkdir -p home
link opencode node_modules/opencode-*/bin/opencode
link codex node_modules/@openai/codex-*/vendor/*/bin/codex
rm -rf home
cp "$here/package-lock.json" installed
