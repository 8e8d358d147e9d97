# curvnet. `make help` lists the targets; each is a short call of cargo or of a script in scripts/.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
PROGRAMS := curvnet curvnet-bench
CONFIGS := demo.toml router.toml vlan-tenants.toml tap-lab.toml demo-red.pcap demo-blue.pcap

.DEFAULT_GOAL := build
.PHONY: help deps build run test lint fmt bench install uninstall clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the Debian packages that are missing (root or sudo)
	@scripts/install-deps.sh build

build: deps ## build target/release/curvnet and target/release/curvnet-bench
	$(CARGO) build --release --bins

run: build ## install, build, reserve hugepages if possible, and run the demo for 10 s
	@scripts/run-demo.sh

test: ## everything; STEPS='clippy-* loom' runs some steps, scripts/test.sh --list names them
	@scripts/test.sh $(STEPS)

lint: deps ## formatting, clippy in all four builds, shellcheck, cargo-deny
	@scripts/lint.sh

fmt: ## format the sources
	$(CARGO) fmt --all

bench: build ## compare with dpdk-testpmd (ARGS='--rounds 3'), and the four builds (COMPARE_ARGS='--rounds 21')
	@scripts/install-deps.sh build test
	@COMPARE_ARGS="$(COMPARE_ARGS)" scripts/bench.sh $(ARGS)

install: ## install programs and example configurations under DESTDIR/PREFIX
	@for program in $(PROGRAMS); do test -x $(RELEASE)/$$program || exec $(MAKE) build; done
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/curvnet/config
	install -m 755 $(addprefix $(RELEASE)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(addprefix config/,$(CONFIGS)) $(DESTDIR)$(PREFIX)/share/curvnet/config
	install -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/curvnet

uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(PROGRAMS))
	rm -rf $(DESTDIR)$(PREFIX)/share/curvnet

clean: ## remove everything that was built
	$(CARGO) clean
