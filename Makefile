# vxtap's errands. `make` alone lists them.

VERSION   ?= $(if $(wildcard .git),$(shell git describe --tags --always --dirty 2>/dev/null))
FUZZTIME  ?= 30s
BENCH     ?= .
SOAK      ?= 10m
ROUNDS    ?= 5
PLUGIN    ?= vxtap
SECRETS   ?=
ARGS      ?=

# Go would ask git about a tree that may be another user's, and fail; the version
# comes from git describe instead.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

.PHONY: help build docker-plugin demo test check soak lint fuzz bench bench-tunnels bench-docker cross clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

build: ## the static binary ./vxtap
	CGO_ENABLED=0 go build -trimpath -ldflags '$(if $(VERSION),-X main.version=$(VERSION))' -o vxtap ./cmd/vxtap

docker-plugin: build ## a managed plugin for Docker swarms, on the engine of this host (PLUGIN=vxtap SECRETS=/etc/vxtap)
	@rm -rf .ci/bin/plugin && mkdir -p .ci/bin
	cmd/vxtap/dockerplugin/build ./vxtap .ci/bin/plugin $(SECRETS)
	docker plugin create $(PLUGIN) .ci/bin/plugin
	@rm -rf .ci/bin/plugin

demo: build ## two hosts on this machine and an overlay between them (ARGS="--hosts 3 --ipv6")
	@./vxtap demo $(ARGS)

test: ## every test that needs nothing installed; root, or sudo without a password
	@.ci/test

# Every stage runs, so that one look shows all that is wrong; the tests' totals come last.
check: ## everything: installs tshark, Docker, podman, Open vSwitch and others from Debian, then lint, cross, all tests
	@.ci/install
	@failed=; \
	echo '== make lint';  .ci/lint || failed="$$failed lint"; \
	echo '== make cross'; .ci/cross || failed="$$failed cross"; \
	.ci/test -tags interop || failed="$$failed tests"; \
	if [ -n "$$failed" ]; then echo "make check: failed:$$failed" >&2; exit 1; fi

soak: build ## ten minutes at full rate, plain and sealed, and a minute stopped: nothing may grow (SOAK=10m)
	VXTAP_TEST_PROGRAM=$(CURDIR)/vxtap VXTAP_SOAK=$(SOAK) go test -count=1 -timeout=0 -v -run 'TestSoak$$' ./cmd/vxtap

lint: ## gofmt, vet, and golangci-lint with the arrows between packages
	@.ci/lint

fuzz: ## every fuzz target in turn, FUZZTIME=30s each
	@.ci/fuzz $(FUZZTIME)

bench: ## ns/frame and B/op, BENCH=regexp to choose
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

bench-tunnels: build ## sealed networks beside other encrypting tunnels, which it installs and builds; root (ARGS="--runs 1")
	@.ci/bench-tunnels $(ARGS)

bench-docker: ## sealed networks between containers of two Docker engines beside plain namespaces; installs as check does; root (ROUNDS=5)
	@[ "$$(id -u)" = 0 ] || { echo "make bench-docker needs root: try sudo" >&2; exit 1; }
	@.ci/install
	go test -tags interop -run '^$$' -bench 'Docker$$' -benchtime $(ROUNDS)x ./cmd/vxtap

cross: ## compiles for linux/arm64, darwin/arm64, freebsd/amd64 and windows/amd64
	@.ci/cross

clean: ## removes what the others made
	rm -rf vxtap .ci/bin
	find . -path ./.git -prune -o -type f \( -name '*.test' -o -name '*.prof' \) -exec rm -f {} +
