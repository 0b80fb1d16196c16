# Everything a person or the CI runs. `make` alone lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

nats_server = sh deploy/fetch-nats-server.sh
python_home := $(CURDIR)/target/python
# In CI the lock file must already be right.
locked := $(if $(CI),--locked)

# Tests wait for a bus more than they compute: two per core.
test_threads := $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1))))

# $(call need,<command that succeeds if it is there>,<what is missing>,<the fix>)
need = $(1) >/dev/null 2>&1 || { echo "missing: $(2)"; echo "    fix: $(3)"; complete=no; } >&2

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: prerequisites ## build the release binary and watch a fleet work a plan (KEEP=1, INTERACTIVE=1)
	@complete=yes; \
	$(call need,command -v python3,python3,apt-get install python3); \
	$(call need,command -v git,git,apt-get install git); \
	test $$complete = yes
	nats=$$($(nats_server)) && export SELVEDGE_NATS_SERVER="$$nats" && \
	cargo build $(locked) --release -p selvedge && \
	python3 deploy/demo/main.py

.PHONY: test
test: prerequisites python ## all tests, against a real nats-server
	nats=$$($(nats_server)) && export SELVEDGE_NATS_SERVER="$$nats" && \
	export SELVEDGE_PYTHON="$(python_home)/bin/python" && \
	if cargo nextest --version >/dev/null 2>&1; then \
		NEXTEST_TEST_THREADS=$(test_threads) \
			cargo nextest run $(locked) --workspace $(if $(CI),--profile ci); \
	else \
		echo "cargo-nextest is not here, using cargo test" >&2; \
		RUST_TEST_THREADS=$(test_threads) \
			cargo test $(locked) --workspace --lib --bins --tests --examples; \
	fi && \
	cargo test $(locked) --workspace --doc

.PHONY: soak
soak: prerequisites ## histories of leases under faults, for minutes (SELVEDGE_SOAK_SECONDS, SELVEDGE_SEED)
	nats=$$($(nats_server)) && export SELVEDGE_NATS_SERVER="$$nats" && \
	SELVEDGE_SOAK_SECONDS=$${SELVEDGE_SOAK_SECONDS:-300} RUST_TEST_THREADS=1 \
		cargo test $(locked) -p selvedge-tests --test leases history:: -- --nocapture

.PHONY: bench
bench: prerequisites ## measure, with raw NATS beside it
	nats=$$($(nats_server)) && export SELVEDGE_NATS_SERVER="$$nats" && \
	cargo build $(locked) --release -p selvedge -p selvedge-bench && \
	target/release/selvedge-bench

.PHONY: lint
lint: prerequisites ## formatting, clippy and docs; a warning is an error
	cargo fmt --all --check
	cargo clippy $(locked) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(locked) --workspace --no-deps

.PHONY: nats
nats: ## fetch the pinned nats-server and print its path
	@$(nats_server)

.PHONY: python
python: $(python_home)/.ready ## make the venv with the pinned nats-py

# Made whole or not at all: .ready comes last, and an unfinished venv is thrown away.
$(python_home)/.ready: deploy/python-requirements.txt
	@complete=yes; \
	$(call need,command -v python3,python3,apt-get install python3 python3-venv); \
	$(call need,python3 -c 'import venv$(,) ensurepip',python3's venv module,apt-get install python3-venv); \
	test $$complete = yes
	rm -rf "$(python_home)"
	python3 -m venv "$(python_home)"
	"$(python_home)/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
		--requirement deploy/python-requirements.txt
	touch "$@"

, := ,

.PHONY: prerequisites
prerequisites:
	@complete=yes; \
	$(call need,command -v cargo,cargo,install Rust with rustup$(,) https://rustup.rs); \
	$(call need,command -v cc,a C linker (cc),apt-get install gcc libc6-dev); \
	test $$complete = yes
