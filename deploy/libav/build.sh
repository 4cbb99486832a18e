#!/usr/bin/env bash
# Builds the libav that mosaicd links: FFmpeg, static, no network, and only the
# formats and codecs of the allow-list below. The result lands in the user's
# cache folder under a name made of the version and of the configuration's hash,
# so that another configuration is another folder, and a second call is instant.
#
#   deploy/libav/build.sh          build when missing; the last line printed is the folder
#   deploy/libav/build.sh --where  print the folder without building
#   deploy/libav/build.sh --env    print what go build needs beside it: KEY=VALUE, one a line
#
# TARGET=arm64 or TARGET=amd64 in the environment builds for that processor on another:
# the libraries that FFmpeg links come from Debian's packages for it, unpacked into the
# cache folder.
#
# The release comes from the project's own site; where that can't be reached,
# from the source package of Debian trixie, which holds the same file.
set -euo pipefail

version=7.1.5
sha256=de668509caf9e35e3cd162473441fdb29538c6d96ed080292b3cf9e6fc5d558f
tarball=ffmpeg-$version.tar.xz

# What it needs from Debian: package, and the file that proves it is there.
needs=(
	gcc:/usr/bin/gcc
	libc6-dev:/usr/include/stdlib.h
	make:/usr/bin/make
	nasm:/usr/bin/nasm
	pkg-config:/usr/bin/pkg-config
	xz-utils:/usr/bin/xz
	curl:/usr/bin/curl
	ca-certificates:/etc/ssl/certs/ca-certificates.crt
	libx264-dev:/usr/include/x264.h
	libx265-dev:/usr/include/x265.h
	libnuma-dev:/usr/include/numa.h
	g++:/usr/bin/g++
	libdav1d-dev:/usr/include/dav1d/dav1d.h
	zlib1g-dev:/usr/include/zlib.h
)

join() { local IFS=,; echo "$*"; }

decoders=(h264 hevc vp8 vp9 libdav1d mpeg1video mpeg2video mpeg4 mjpeg prores png rawvideo wrapped_avframe
	dvvideo dnxhd huffyuv ffvhuff ffv1 v210 theora wmv1 wmv2 wmv3 vc1 msmpeg4v1 msmpeg4v2 msmpeg4v3 h263 flv
	aac aac_latm ac3 eac3 mp2float mp3float opus vorbis flac alac
	pcm_alaw pcm_mulaw pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32be pcm_s32le pcm_f32be pcm_f32le pcm_u8 pcm_s8
	adpcm_g722 adpcm_g726 adpcm_g726le adpcm_ima_qt adpcm_ima_wav adpcm_ms adpcm_swf adpcm_yamaha
	pcm_bluray pcm_dvd s302m
	ass ssa subrip srt text webvtt movtext)
# Of sound that is only copied, for what a transport stream doesn't say of it: rate and channels.
decoders+=(dca mlp truehd)
encoders=(libx264 libx265 aac png mjpeg rawvideo wrapped_avframe pcm_s16le pcm_s24le movtext webvtt)
# Also of what is only copied: without its parser, a packet out of MPEG-TS is another.
parsers=(h264 hevc vp8 vp9 av1 mpegvideo mpeg4video mjpeg png vc1 dnxhd h263 vp3
	aac aac_latm ac3 dca mlp mpegaudio opus vorbis flac dvbsub dvdsub dvd_nav)
demuxers=(mov matroska mpegts mpegps mxf avi flv asf ogg dv ffmetadata)
# No file is opened with these. The demuxers of MPEG-TS and MPEG-PS ask them what a stream
# is that is declared as private, or as something that has no number of its own.
demuxers+=(aac ac3 dts dvbsub dvbtxt eac3 h264 hevc loas m4v mp3 mpegvideo truehd)
muxers=(mp4 mov ipod matroska webm mpegts hls dash image2
	rawvideo ffmetadata framemd5 framehash streamhash md5 hash null)
bsfs=(aac_adtstoasc extract_extradata h264_mp4toannexb hevc_mp4toannexb
	vp9_superframe vp9_superframe_split vp9_raw_reorder av1_frame_merge av1_frame_split
	h264_metadata hevc_metadata mpeg2_metadata pgs_frame_merge mpeg4_unpack_bframes pcm_rechunk
	dump_extra null setts)
filters=(buffer buffersink abuffer abuffersink null anull scale format aformat aresample
	fps crop pad setpts asetpts trim atrim transpose hflip vflip testsrc2 sine color)

flags=(
	--disable-everything --disable-network --disable-autodetect
	--disable-doc --disable-debug --disable-shared --enable-static --enable-pic
	--disable-ffplay --disable-ffprobe --enable-ffmpeg
	--enable-gpl --enable-libx264 --enable-libx265 --enable-libdav1d --enable-zlib
	--enable-protocol=file,pipe
	--enable-indev=lavfi
	--enable-decoder="$(join "${decoders[@]}")"
	--enable-encoder="$(join "${encoders[@]}")"
	--enable-parser="$(join "${parsers[@]}")"
	--enable-demuxer="$(join "${demuxers[@]}")"
	--enable-muxer="$(join "${muxers[@]}")"
	--enable-bsf="$(join "${bsfs[@]}")"
	--enable-filter="$(join "${filters[@]}")"
)

say() { echo "libav: $*" >&2; }
die() { say "$*"; exit 1; }

hash=$(printf '%s\n' "$version" "${flags[@]}" | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mosaicd
prefix=$cache/libav-$version-$hash

# Another processor than this machine's: a compiler for it, and its Debian packages.
case $(uname -m) in
x86_64) here=amd64 ;;
aarch64) here=arm64 ;;
*) here=$(uname -m) ;;
esac
target=${TARGET:-$here}
cross= triplet= sysroot=
if [[ $target != "$here" ]]; then
	case $target in
	amd64) triplet=x86_64-linux-gnu machine=x86_64 compilers=x86-64-linux-gnu ;;
	arm64) triplet=aarch64-linux-gnu machine=aarch64 compilers=$triplet ;;
	*) die "TARGET=$target: must be amd64 or arm64" ;;
	esac
	cross=$triplet-
	prefix+=-$target
	sysroot=$cache/debian-$target
	needs=(gcc:/usr/bin/gcc make:/usr/bin/make nasm:/usr/bin/nasm pkg-config:/usr/bin/pkg-config xz-utils:/usr/bin/xz curl:/usr/bin/curl
		ca-certificates:/etc/ssl/certs/ca-certificates.crt "gcc-$compilers:/usr/bin/${cross}gcc" "g++-$compilers:/usr/bin/${cross}g++")
	flags+=(--enable-cross-compile --target-os=linux "--arch=$machine" "--cross-prefix=$cross" --pkg-config=pkg-config)
	export PKG_CONFIG_LIBDIR=$sysroot/usr/lib/$triplet/pkgconfig
fi
# Debian's libraries, for a processor that is not this machine's.
libraries=(libx264-dev libx265-dev libnuma-dev libdav1d-dev libdav1d6 zlib1g-dev libc6)

if [[ ${1:-} == --where ]]; then
	echo "$prefix"
	exit 0
fi
if [[ ${1:-} == --env ]]; then
	[[ -z $cross ]] || printf '%s\n' "GOARCH=$target" "CC=${cross}gcc" "CXX=${cross}g++" \
		"PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig:$PKG_CONFIG_LIBDIR" "SYSROOT=$sysroot"
	exit 0
fi

install_needs() {
	local missing=() need
	for need in "${needs[@]}"; do
		[[ -e ${need#*:} ]] || missing+=("${need%%:*}")
	done
	((${#missing[@]})) || return 0
	local command="apt-get install -y --no-install-recommends ${missing[*]}"
	if ! command -v apt-get >/dev/null; then
		die "missing: ${missing[*]} (names of Debian packages); install them and run this again"
	elif [[ $(id -u) != 0 ]]; then
		die "missing Debian packages; run: sudo apt-get update && sudo $command"
	fi
	say "installing ${missing[*]}"
	local log
	log=$(mktemp)
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive $command -qq; } >"$log" 2>&1 || { cat "$log" >&2; die "apt-get failed"; }
	rm -f "$log"
}

verified() { [[ -s $1 ]] && echo "$sha256  $1" | sha256sum --check --status; }

# fetch_release leaves the pinned release as $1.
fetch_release() {
	say "downloading FFmpeg $version"
	if curl -fsL --connect-timeout 10 --retry 1 -o "$1" "https://ffmpeg.org/releases/$tarball" && verified "$1"; then
		return
	fi
	say "the project's site was not reached: taking the same file from Debian's source package"
	fetch_from_debian "$1"
	verified "$1" || die "$1 is not the pinned release (sha256 $sha256)"
}

# own_apt DIR SOURCE [OPTION...] makes apt, the command, work with lists of its own in DIR.
own_apt() {
	local dir=$1
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/src"
	chmod -R a+rwX "$dir"
	echo "$2" >"$dir/sources.list"
	apt=(apt-get -qq -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User= "${@:3}")
	"${apt[@]}" update >&2
}

# debian_mirror prints this machine's mirror of its own release.
debian_mirror() {
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v suite="$codename" '$2 == suite && $3 == "main" { print $1; exit }'
}

# unpack_libraries makes the sysroot. Its pkg-config files name their own places.
unpack_libraries() {
	[[ ! -e $sysroot/done ]] || return 0
	local dir codename mirror apt deb
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || die "apt knows no mirror of Debian $codename"
	say "unpacking Debian's libraries for $target"
	rm -rf "$sysroot"
	mkdir -p "$sysroot"
	dir=$(mktemp -d)
	own_apt "$dir" "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $codename main" \
		-o APT::Architecture="$target" -o APT::Architectures="$target"
	(cd "$dir/src" && "${apt[@]}" download "${libraries[@]}" >&2)
	for deb in "$dir"/src/*.deb; do
		dpkg-deb -x "$deb" "$sysroot"
		dpkg-deb -W --showformat='${Package} ${Version} ${Architecture}\n' "$deb" >>"$sysroot/packages"
	done
	sed -i "s|/usr|$sysroot/usr|g" "$sysroot/usr/lib/$triplet"/pkgconfig/*.pc
	rm -rf "$dir"
	touch "$sysroot/done"
}

# fetch_from_debian asks the mirror that this machine already uses for the
# source package of trixie. It keeps apt's lists in a folder of its own, so it
# needs no root and changes nothing on the machine.
fetch_from_debian() {
	local dir codename mirror apt
	command -v apt-get >/dev/null || die "no apt-get here: download $tarball by hand to $1"
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || die "apt knows no mirror of Debian $codename: download $tarball by hand to $1"

	dir=$(mktemp -d)
	own_apt "$dir" "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main"
	(cd "$dir/src" && "${apt[@]}" source --download-only --only-source ffmpeg >&2)
	[[ -e $dir/src/ffmpeg_$version.orig.tar.xz ]] ||
		die "Debian trixie now holds $(ls "$dir/src" | grep -m1 orig.tar.xz || echo no ffmpeg), not $version: download $tarball by hand to $1"
	mv "$dir/src/ffmpeg_$version.orig.tar.xz" "$1"
	rm -rf "$dir"
}

install_needs
mkdir -p "$cache"

# Two builds at once would write the same folder.
exec 9>"$cache/libav.lock"
flock 9
if [[ -e $prefix/done ]]; then
	echo "$prefix"
	exit 0
fi

[[ -z $cross ]] || unpack_libraries
verified "$cache/$tarball" || fetch_release "$cache/$tarball"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xf "$cache/$tarball" -C "$work"
cd "$work/ffmpeg-$version"

started=$SECONDS
say "configuring (log: $prefix.log)"
rm -rf "$prefix"
./configure --prefix="$prefix" --pkg-config-flags=--static "${flags[@]}" >"$prefix.log" 2>&1 ||
	{ tail -n 20 "$prefix.log" >&2; die "configure failed"; }
say "compiling on $(nproc) cores: two to three minutes on two"
make -j"$(nproc)" >>"$prefix.log" 2>&1 || { tail -n 20 "$prefix.log" >&2; die "make failed"; }
make install >>"$prefix.log" 2>&1 || { tail -n 20 "$prefix.log" >&2; die "make install failed"; }
# The linker would take a shared library where both are there: name the archives,
# and those of what x265 is written with. dav1d stays shared: Debian ships no
# archive of it.
sed -i -E 's/-l(x264|x265|numa|z)\b/-l:lib\1.a/g; s/-lstdc\+\+/-l:libstdc++.a/g; s/-lgcc_s\b/-l:libgcc_eh.a/g' "$prefix"/lib/pkgconfig/*.pc
touch "$prefix/done"
say "built in $((SECONDS - started)) s"
echo "$prefix"
