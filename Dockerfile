# The image of mosaicd: docker build -t mosaicd .
#
# Where there is no Docker and no registry, deploy/image/prove.sh builds it from
# this same file with base images of its own making.

FROM docker.io/library/golang:1.26-bookworm AS build
WORKDIR /src

# libav first: it takes minutes, and changes only with its script.
COPY deploy/libav deploy/libav
RUN deploy/libav/build.sh

COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=dev
ARG COMMIT=
RUN make build build-demo VERSION="$VERSION" COMMIT="$COMMIT"

# What the final image has besides its base: the binary, the one shared library
# that the base lacks, who wrote what, and a folder for the files of jobs.
RUN set -eu; \
    library=$(ldd bin/mosaicd | awk '$1 ~ /^libdav1d/ { print $3 }'); \
    mkdir -p /scratch /demo /image/usr/bin /image/usr/share/doc/mosaicd "/image$(dirname "$library")"; \
    cp bin/mosaicd /image/usr/bin/; \
    cp bin/mosaicd-demo /demo/; \
    cp -L "$library" "/image$library"; \
    cp LICENSE NOTICE /image/usr/share/doc/mosaicd/; \
    go run ./deploy/sbom --version "$VERSION" bin/mosaicd > /image/usr/share/doc/mosaicd/sbom.cdx.json

# The emulated AWS is in an image of its own, and not in the one that is deployed:
# docker build --target demo -t mosaicd-demo .
FROM gcr.io/distroless/base-nossl-debian12:nonroot AS demo
COPY --from=build /image /
COPY --from=build /demo/mosaicd-demo /usr/bin/
COPY --from=build --chown=65532:65532 /scratch /scratch
ENV TMPDIR=/scratch
VOLUME /scratch
USER 65532:65532
WORKDIR /scratch
ENTRYPOINT ["/usr/bin/mosaicd-demo"]

# libc, CA certificates, time zones and a user, and no shell: an upload that gets
# past the sandbox finds nothing to run.
FROM gcr.io/distroless/base-nossl-debian12:nonroot
ARG VERSION=dev
ARG COMMIT=
LABEL org.opencontainers.image.title="mosaicd" \
      org.opencontainers.image.description="Covers faces in videos that land in S3, and has MediaConvert transcode them" \
      org.opencontainers.image.licenses="GPL-3.0-or-later" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /scratch /scratch
# The root file system may be read-only: what is written goes to /scratch.
ENV MOSAICD_SCRATCH=/scratch TMPDIR=/scratch
# It starts only where a file that takes the engine over gets nowhere. Where the kernel lacks
# Landlock, "mosaicd run" says so and ends: set it to auto there (docs/deploy.md).
ENV MOSAICD_SANDBOX=require
VOLUME /scratch
USER 65532:65532
WORKDIR /scratch
STOPSIGNAL SIGTERM
# Docker and Podman look at this one. ECS has its own, in the task definition.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["/usr/bin/mosaicd", "health"]
ENTRYPOINT ["/usr/bin/mosaicd"]
CMD ["run"]
