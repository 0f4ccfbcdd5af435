# Bubi: every command a developer needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# One stamp per input that decides whether something must be built again.
RUST_SOURCES := $(shell find core -name '*.rs' -o -name Cargo.toml 2>/dev/null | grep -v /target/) Cargo.toml Cargo.lock
STAMP := .venv/.stamp
CONSOLE_SOURCES := $(shell find console/src console/public sdk/node/src -type f ! -path '*/generated/*' 2>/dev/null) console/index.html console/vite.config.ts console/openapi.json console/package.json

.PHONY: help setup up down test test-long quick check bench fmt clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP)-core $(STAMP)-console ## build everything without starting; the command is then .venv/bin/bubi

$(STAMP)-venv: requirements.lock scripts/check_toolchain.sh
	@scripts/check_toolchain.sh "$(PYTHON)"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e sdk/python
	@touch $@

# The extension is unlinked first: a running node keeps the file it has mapped.
$(STAMP)-core: $(STAMP)-venv $(RUST_SOURCES) pyproject.toml
	rm -f src/bubi/_core.abi3.so
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop --release --quiet
	@touch $@

# Node packages are installed again only when a lock file changes, the console is built again only
# when one of its sources does.
$(STAMP)-console-packages: console/package-lock.json | $(STAMP)-venv
	@command -v npm >/dev/null || { echo "npm is missing: the console is built with Node.js 20 or later"; exit 1; }
	cd console && npm ci --silent
	@touch $@

$(STAMP)-console: $(STAMP)-console-packages $(CONSOLE_SOURCES)
	cd console && npm run --silent build
	rm -rf src/bubi/gateway/static && cp -r console/dist src/bubi/gateway/static
	@touch $@

$(STAMP)-sdk-node: sdk/node/package-lock.json | $(STAMP)-venv
	cd sdk/node && npm ci --silent
	@touch $@

up: setup ## build, start the development network, show what to try
	$(BIN)/bubi up --detach

down: ## stop the development network
	$(BIN)/bubi down

test: setup $(STAMP)-sdk-node ## build and run all tests except those marked long
	cargo test --workspace --exclude bubi-py --quiet
	cd sdk/node && npm test --silent
	cd console && npm test --silent
	$(BIN)/pytest -m "not long" -q

test-long: setup ## the tests marked long
	$(BIN)/pytest -m long -q

quick: setup ## the fast tests, under three minutes
	$(BIN)/ruff check .
	$(BIN)/pytest -m "not long" -q tests/unit tests/model sdk/python/tests

check: setup ## formatting, lints, types, layers
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd console && npm run --silent check

bench: setup ## the three benchmarks of one node; figures go to benchmarks/README.md by hand
	$(BIN)/bubi bench verify
	$(BIN)/bubi bench ledger
	$(BIN)/bubi bench api

fmt: ## format everything
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

clean: ## remove everything that was built
	rm -rf target .venv build dist console/dist console/node_modules sdk/node/dist sdk/node/node_modules src/bubi/gateway/static
	find . -name __pycache__ -prune -exec rm -rf {} +
