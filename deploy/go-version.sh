#!/usr/bin/env bash
# Says in one line what is wrong where the Go on the PATH can't build mosaicd, before
# anything that takes minutes is begun.
set -euo pipefail
cd "$(dirname "$0")/.."

needed=$(awk '$1 == "go" { print $2 }' go.mod)
get="get it from https://go.dev/dl/ (unpack it to /usr/local/go, and put /usr/local/go/bin first on the PATH)"
if ! command -v go >/dev/null; then
	echo "mosaicd is built with Go $needed or newer, and there is no go on the PATH: $get" >&2
	exit 1
fi
# From 1.21 on, go fetches the version that go.mod asks for by itself, unless
# GOTOOLCHAIN=local keeps it from that; Debian 12 has 1.19.
version=$(go env GOVERSION 2>&1) || version=${version//$'\n'/ }
if [[ ! $version =~ ^go[0-9] || $(printf '%s\n%s\n' "${version#go}" "$needed" | sort -V | head -n 1) != "$needed" ]]; then
	echo "mosaicd is built with Go $needed or newer (or with 1.21 or newer and GOTOOLCHAIN=auto, which fetches that); $(command -v go) is $version: $get" >&2
	exit 1
fi
