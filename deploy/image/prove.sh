#!/usr/bin/env bash
# Builds the image of the Dockerfile on a machine without Docker and without a
# registry, and tries it: as an unprivileged user, on a read-only root file
# system, with no network but loopback.
#
#   deploy/image/prove.sh            as root, on Debian 12; some minutes
#
# What it stands in for, under the names that the Dockerfile uses:
#
#   golang:1.26-bookworm          Debian 12 from debootstrap, and this machine's /usr/local/go
#   distroless/base-nossl         the Debian packages that it is made of, unpacked, and its user
#
# Everything else is the Dockerfile's own doing. Nothing is left on the machine but
# the Debian packages buildah, podman, runc and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { echo "image: $*" >&2; }
[[ $(id -u) == 0 ]] || { say "run this as root: it makes file systems"; exit 1; }
for tool in buildah podman debootstrap; do
	command -v $tool >/dev/null && continue
	say "installing buildah, podman, runc and debootstrap"
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah podman runc debootstrap; } >/dev/null
	break
done

work=$(mktemp -d /var/tmp/mosaicd-image-XXXXXX)
storage=(--root "$work/storage" --runroot "$work/run")
trap 'buildah "${storage[@]}" rm --all >/dev/null 2>&1 || true; buildah "${storage[@]}" rmi --all --force >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
	awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
[[ -n $mirror ]] || { say "apt knows no mirror of Debian 12"; exit 1; }

# image FOLDER NAME makes an image of one layer.
image() {
	local container
	container=$(buildah "${storage[@]}" from scratch)
	buildah "${storage[@]}" add -q "$container" "$1" / >/dev/null
	shift
	local name=$1; shift
	buildah "${storage[@]}" config "$@" "$container"
	buildah "${storage[@]}" commit -q --rm "$container" "$name" >/dev/null
}

say "base image for the build: debootstrap and $(go version)"
debootstrap --variant=minbase --include=gcc,libc6-dev,make,git,ca-certificates bookworm "$work/build" "$mirror" >"$work/debootstrap.log" 2>&1 ||
	{ tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
mkdir -p "$work/build/usr/local"
cp -a "$(go env GOROOT)" "$work/build/usr/local/go"
cp /etc/ssl/certs/ca-certificates.crt "$work/build/etc/ssl/certs/" # this machine's, which may know a proxy's
rm -rf "$work"/build/var/cache/apt/archives/*.deb "$work"/build/var/lib/apt/lists/*
image "$work/build" docker.io/library/golang:1.26-bookworm \
	--env PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env GOTOOLCHAIN=local
rm -rf "$work/build"

say "base image for the result: base-files, netbase, tzdata, ca-certificates and libc6, unpacked"
mkdir -p "$work/debs" "$work/base"
(cd "$work/debs" && apt-get -o APT::Sandbox::User= download -qq base-files netbase tzdata ca-certificates libc6 >/dev/null)
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/base"; done
mkdir -p "$work"/base/{etc/ssl/certs,home/nonroot,tmp,proc,sys,dev}
chmod 1777 "$work/base/tmp"
cat "$work"/base/usr/share/ca-certificates/mozilla/*.crt >"$work/base/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$work/base/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/base/etc/group"
chown 65532:65532 "$work/base/home/nonroot"
image "$work/base" gcr.io/distroless/base-nossl-debian12:nonroot --user 65532:65532 --workingdir /home/nonroot
base_bytes=$(du -sb "$work/base" | cut -f1)

say "building the Dockerfile"
started=$SECONDS
build() {
	buildah "${storage[@]}" bud --isolation chroot --pull-never --format docker --layers \
		--build-arg VERSION="$(git describe --tags --always --dirty)" --build-arg COMMIT="$(git rev-parse HEAD)" \
		"$@" . >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }
}
build -t localhost/mosaicd
build --target demo -t localhost/mosaicd-demo
say "built in $((SECONDS - started)) s"

container=$(buildah "${storage[@]}" from --pull-never localhost/mosaicd)
root=$(buildah "${storage[@]}" mount "$container")
bytes=$(du -sb "$root" | cut -f1)
compressed=$(tar -C "$root" -c . | gzip -6 | wc -c)
echo "image: $((bytes / 1000000)) MB unpacked ($((base_bytes / 1000000)) MB of it the base), $((compressed / 1000000)) MB compressed"
echo "binary: $(($(stat -c %s "$root/usr/bin/mosaicd") / 1000000)) MB; files in all: $(find "$root" -type f | wc -l)"
echo "bill of materials: $(grep -c '"purl"' "$root/usr/share/doc/mosaicd/sbom.cdx.json") components"
echo "shells: $(find "$root" -path '*bin/*' \( -name '*sh' -o -name busybox \) | wc -l)"
buildah "${storage[@]}" umount "$container" >/dev/null

# Containers of it, as ECS would start them.
podman() {
	command podman "${storage[@]}" --cgroup-manager cgroupfs --runtime "$(command -v runc || echo /usr/sbin/runc)" "$@"
}
shut=(--no-healthcheck --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges
	--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit nproc=4096:4096)
trap 'podman rm --force --all --time 1 >/dev/null 2>&1 || true; buildah "${storage[@]}" rmi --all --force >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

say "trying it: a user of its own, a read-only root file system, no capabilities, and no network but loopback"
podman run --rm --network none "${shut[@]}" localhost/mosaicd version | sed -n 1,4p
podman run --rm --network none "${shut[@]}" localhost/mosaicd engine --selftest
podman run --rm --network none "${shut[@]}" localhost/mosaicd-demo --dir /scratch/demo | grep -E '^(made|uploaded|result|  "status"|state)'

say "the services in one container and the daemon in another"
aws=$(podman run -d --network none "${shut[@]}" localhost/mosaicd-demo --services --addr 127.0.0.1:4566 --dir /scratch/demo)
for _ in $(seq 100); do podman logs "$aws" 2>&1 | grep -q 'running until' && break; sleep 0.1; done
settings=()
while read -r _ setting; do settings+=(--env "$setting"); done < <(podman logs "$aws" | grep '^  export')
daemon=$(podman run -d --network "container:$aws" "${shut[@]}" "${settings[@]}" localhost/mosaicd)
sleep 3
podman exec "$daemon" /usr/bin/mosaicd doctor
podman exec "$daemon" /usr/bin/mosaicd health
podman stop --time 60 "$daemon" >/dev/null
echo "after SIGTERM: exit code $(podman inspect --format '{{.State.ExitCode}}' "$daemon"), $(podman logs "$daemon" 2>&1 | tail -n 1)"
