#!/usr/bin/env bash
# Makes what a release is: an archive for each processor with the binaries and their
# bill of materials, the image, and a file of checksums, in the folder dist.
#
#   make release             of the commit's tag
#   IMAGE=no make release    without the image, where there is no Docker or Podman
#   VERSION=v1.2.0-rc1 make release   of a commit without a tag
#
# The archives hold what the image holds. On Debian 12 a binary needs libdav1d6.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "release: $*" >&2; }
die() { say "$*"; exit 1; }

version=${VERSION:-$(git describe --tags --exact-match 2>/dev/null || true)}
[[ -n $version ]] || die "this commit has no tag: git tag v1.2.0, or give VERSION=v1.2.0-rc1"
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || die "$version: a version looks like v1.2.0 or v1.2.0-rc1"
[[ -z $(git status --porcelain) ]] || die "there are changes that are not committed: what is released must be what the tag names"
image=${IMAGE:-yes}
engine=
if [[ $image != no ]]; then
	for engine in docker podman; do
		command -v $engine >/dev/null && $engine info >/dev/null 2>&1 && break
		engine=
	done
	[[ -n $engine ]] || die "neither Docker nor Podman answers here, which build the image: start one, or give IMAGE=no for the archives alone"
fi
deploy/go-version.sh

commit=$(git rev-parse HEAD)
# The same commit makes the same archives.
time=$(git log -1 --format=%cI)
rm -rf dist
mkdir -p dist
for target in ${TARGETS:-amd64 arm64}; do
	export TARGET=$target
	where=$(deploy/libav/build.sh)
	name=mosaicd-$version-linux-$target
	folder=dist/$name
	mkdir "$folder"
	say "building for $target"
	mapfile -t cross < <(deploy/libav/build.sh --env)
	env CGO_ENABLED=1 GOOS=linux PKG_CONFIG_PATH="$where/lib/pkgconfig" CGO_CFLAGS="-O2 -g -I$where/include" "${cross[@]}" \
		go build -trimpath -ldflags "-s -w -X main.version=$version -X main.commit=$commit" -o "$folder/" ./cmd/mosaicd ./cmd/mosaicd-demo
	sysroot=$(printf '%s\n' "${cross[@]}" | sed -n 's/^SYSROOT=//p')
	TARGET= go run ./deploy/sbom --version "$version" --libav "$(basename "$where" | cut -d- -f2)" ${sysroot:+--packages "$sysroot/packages"} \
		"$folder/mosaicd" >"$folder/sbom.cdx.json"
	cp "$folder/sbom.cdx.json" "dist/$name.sbom.cdx.json"
	cp LICENSE NOTICE README.md CHANGELOG.md "$folder/"
	tar --sort=name --mtime="$time" --owner=0 --group=0 --numeric-owner -C dist -c "$name" | gzip -9n >"dist/$name.tar.gz"
	rm -rf "$folder"
done
if [[ -n $engine ]]; then
	say "building the image with $engine"
	$engine build --build-arg VERSION="$version" --build-arg COMMIT="$commit" -t "mosaicd:$version" .
	$engine save "mosaicd:$version" | gzip -9n >"dist/mosaicd-$version-image.tar.gz"
fi
(cd dist && sha256sum -- * >SHA256SUMS)
say "in dist:"
(cd dist && ls -l -- * | awk '{ printf "  %s  %.1f MB\n", $NF, $5 / 1e6 }') >&2
