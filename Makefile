# Every target is a line or two that a person could type. The first use of one
# that needs libav builds it (two to three minutes on two cores); see
# deploy/libav/build.sh.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

LIBAV := deploy/libav/build.sh
# What cgo needs to find libav. The flag is there for Go's build cache: it knows a
# build by its flags, and not by what pkg-config answered, so that without it
# another libav would be linked with what was compiled for the last one.
ENV = CGO_ENABLED=1 PKG_CONFIG_PATH="$$($(LIBAV) --where)/lib/pkgconfig" CGO_CFLAGS="-O2 -g -I$$($(LIBAV) --where)/include"
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Tests at once in a package, more than there are cores: they wait more than they work.
PARALLEL := $(shell n=$$(nproc); echo $$((n > 4 ? n : 4)))
FUZZTIME := 60s
CHAOS := -kills 1000 -points 3 -stops 200 -freezes 100 -uploads 400 -overwrites 300 -outage 60s -soak 1000
MUTATED := 10000

VIDEO := # of yours, for make demo

.PHONY: help build build-demo go modules failpoint libav env demo test test-corpus race lint fuzz fuzz-media chaos bench bench-once release clean

help: ## Print this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# First of all: without it minutes would be spent before it is missed.
go:
	@deploy/go-version.sh

libav: go ## Build libav into the cache folder, when it is not there.
	@$(LIBAV) >/dev/null

# Silent but for its end: go names each of some two hundred modules otherwise.
modules: go
	@test -d "$$(go list -m -f '{{.Dir}}' go.uber.org/zap 2>/dev/null)" || echo "fetching Go modules"
	@said=$$(go mod download 2>&1) || { echo "$$said" >&2; exit 1; }

build: libav modules ## Build bin/mosaicd.
	@echo "building bin/mosaicd"
	@$(ENV) go build -trimpath -ldflags '$(LDFLAGS)' -o bin/mosaicd ./cmd/mosaicd

env: libav ## Print what to export before running go by hand: eval "$(make -s env)".
	@for v in CGO_ENABLED PKG_CONFIG_PATH CGO_CFLAGS; do $(ENV) bash -c 'printf "export %s=\"%s\"\n" $$0 "$${!0}"' $$v; done

build-demo: libav modules ## Build bin/mosaicd-demo.
	@echo "building bin/mosaicd-demo"
	@$(ENV) go build -trimpath -ldflags '$(LDFLAGS)' -o bin/mosaicd-demo ./cmd/mosaicd-demo

demo: build build-demo ## Run the whole job on this machine alone, on a video of its own or VIDEO=my.mp4; files land in ./demo.
	@bin/mosaicd-demo --dir demo $(if $(VIDEO),"$(VIDEO)")

test: libav ## Run all tests.
	$(ENV) go test -timeout 25m -parallel $(PARALLEL) ./...

test-corpus: libav ## Make a video of every kind, cover it, compare, and print what is kept: a part of make test.
	$(ENV) go test ./cmd/mosaicd -run '^TestFidelity' -v

race: libav ## Run all tests with the race detector, but for those that only take long with it.
	$(ENV) go test -timeout 25m -race -short -parallel $(PARALLEL) ./...

lint: libav ## Check format, sizes, vet and staticcheck.
	@git ls-files -z | xargs -0 -r stat -c '%s %n' | awk '$$1 > 1048576 { print $$2 ": larger than 1 MiB"; bad = 1 } END { exit bad }'
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go mod tidy -diff
	$(ENV) go vet ./...
	$(ENV) go run $(STATICCHECK) ./...

fuzz: ## Fuzz the decoder of messages for a minute (FUZZTIME=60s), and what reads files for ten seconds each.
	go test ./jobs/event -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	go test ./jobs/event -run '^$$' -fuzz '^FuzzDecodeSidecar$$' -fuzztime 10s -fuzzminimizetime 10x
	go test ./jobs/routes -run '^$$' -fuzz '^FuzzParse$$' -fuzztime 10s -fuzzminimizetime 10x
	go test ./jobs/transcode -run '^$$' -fuzz '^FuzzParse$$' -fuzztime 10s -fuzzminimizetime 10x
	go test ./jobs/hls -run '^$$' -fuzz '^FuzzParse$$' -fuzztime 10s -fuzzminimizetime 10x

failpoint: build ## Build bin/mosaicd-failpoint, which dies where it is told to.
	@$(ENV) go build -trimpath -tags failpoint -o bin/mosaicd-failpoint ./cmd/mosaicd

chaos: failpoint ## Kill, stop and freeze workers, and check what they did: an hour and a half; CHAOS=... has the flags.
	$(ENV) go run ./bench/chaos $(CHAOS)

fuzz-media: build ## Give hostile and broken files to the engine: MUTATED=10000 of them.
	$(ENV) go run ./bench/hostile -mutated $(MUTATED)

bench: build ## Compare mosaicd with a plain ffmpeg and with the usual Lambda, and run the Go benchmarks.
	$(ENV) go run ./bench/dispatch
	go run ./bench/leak
	$(ENV) go run ./bench/transcode
	$(ENV) go run ./bench/transcode -grain 0
	$(ENV) go test -run '^$$' -bench . ./ffmpeg/... ./jobs/...

bench-once: build ## Run each benchmark once, to see that it still works.
	$(ENV) go run ./bench/dispatch -uploads 20 -single 2 -runs 1
	$(ENV) go test -run '^$$' -bench . -benchtime 1x ./ffmpeg/... ./jobs/...

release: ## Make archives for amd64 and arm64, the image, bills of materials and checksums, of the commit's tag, in ./dist.
	@deploy/release.sh

clean: ## Remove what was built here. The cache folder stays.
	rm -rf bin demo dist
