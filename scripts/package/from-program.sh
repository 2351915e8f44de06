#!/usr/bin/env bash
# Writes what a program says about itself, its man page and completions, where a system looks for them.
# usage: scripts/package/from-program.sh SHARE NAME COMMAND...
#   SHARE        /usr/share, as it is to be
#   COMMAND...   runs the program that is called NAME
set -euo pipefail
share=$1 name=$2
shift 2
mkdir -p "$share"/{man/man1,man/man5,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
"$@" man | gzip -n -9 >"$share/man/man1/$name.1.gz"
"$@" man config | gzip -n -9 >"$share/man/man5/$name.toml.5.gz"
"$@" completion bash >"$share/bash-completion/completions/$name"
"$@" completion zsh >"$share/zsh/vendor-completions/_$name"
"$@" completion fish >"$share/fish/vendor_completions.d/$name.fish"
