# curvnet. `make help` lists the targets; each is a short call of cargo or of a script in scripts/.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

BINDIR := $(PREFIX)/bin
SHAREDIR := $(PREFIX)/share/curvnet
MANDIR := $(PREFIX)/share/man/man8
BASHDIR := $(PREFIX)/share/bash-completion/completions
ZSHDIR := $(PREFIX)/share/zsh/site-functions
FISHDIR := $(PREFIX)/share/fish/vendor_completions.d
UNITDIR := $(PREFIX)/lib/systemd/system
SYSCTLDIR := $(PREFIX)/lib/sysctl.d
SYSCONFDIR := /etc
SERVICE_CONFIG := $(SYSCONFDIR)/curvnet/curvnet.toml

RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
PROGRAMS := curvnet curvnet-bench
CONFIGS := demo.toml router.toml vlan-tenants.toml tap-lab.toml service.toml demo-red.pcap demo-blue.pcap

.DEFAULT_GOAL := build
.PHONY: help deps build run test lint fmt bench install uninstall deb clean

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

install: ## install programs, manual pages, completions, the service and example configurations under DESTDIR
	@for program in $(PROGRAMS); do test -x $(RELEASE)/$$program || exec $(MAKE) build; done
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(SHAREDIR)/config $(UNITDIR) $(SYSCTLDIR) $(SYSCONFDIR)/curvnet)
	install -d $(addprefix $(DESTDIR),$(BASHDIR) $(ZSHDIR) $(FISHDIR))
	install -m 755 $(addprefix $(RELEASE)/,$(PROGRAMS)) $(DESTDIR)$(BINDIR)
	install -m 644 $(addprefix config/,$(CONFIGS)) $(DESTDIR)$(SHAREDIR)/config
	install -m 644 LICENSE $(DESTDIR)$(SHAREDIR)
	$(RELEASE)/curvnet man $(DESTDIR)$(MANDIR)
	$(RELEASE)/curvnet completions bash > $(DESTDIR)$(BASHDIR)/curvnet
	$(RELEASE)/curvnet completions zsh > $(DESTDIR)$(ZSHDIR)/_curvnet
	$(RELEASE)/curvnet completions fish > $(DESTDIR)$(FISHDIR)/curvnet.fish
	sed 's,@BINDIR@,$(BINDIR),; s,@SYSCONFDIR@,$(SYSCONFDIR),' dist/curvnet.service > $(DESTDIR)$(UNITDIR)/curvnet.service
	install -m 644 dist/curvnet-hugepages.conf $(DESTDIR)$(SYSCTLDIR)
	@# The operator's file stays.
	test -e $(DESTDIR)$(SERVICE_CONFIG) || install -m 644 config/service.toml $(DESTDIR)$(SERVICE_CONFIG)

uninstall: ## remove what install put there, but the service's configuration
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(PROGRAMS)) $(DESTDIR)$(MANDIR)/curvnet.8 $(DESTDIR)$(MANDIR)/curvnet-*.8
	rm -f $(DESTDIR)$(BASHDIR)/curvnet $(DESTDIR)$(ZSHDIR)/_curvnet $(DESTDIR)$(FISHDIR)/curvnet.fish
	rm -f $(DESTDIR)$(UNITDIR)/curvnet.service $(DESTDIR)$(SYSCTLDIR)/curvnet-hugepages.conf
	rm -rf $(DESTDIR)$(SHAREDIR)

deb: build ## build a Debian package of what install installs: target/deb/curvnet_VERSION_ARCH.deb
	@scripts/package.sh

clean: ## remove everything that was built
	$(CARGO) clean
