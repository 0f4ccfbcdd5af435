# Bubi: every command a developer needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# One stamp per input that decides whether something must be built again.
RUST_SOURCES := $(shell find core -name '*.rs' -o -name Cargo.toml 2>/dev/null | grep -v /target/) Cargo.toml Cargo.lock
STAMP := .venv/.stamp

.PHONY: help setup up down test test-long quick check bench fmt clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP)-core ## build everything without starting; the command is then .venv/bin/bubi

$(STAMP)-venv: requirements.lock scripts/check_toolchain.sh
	@scripts/check_toolchain.sh "$(PYTHON)"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e sdk/python
	@touch $@

# The extension is unlinked first: a running node keeps the file it has mapped.
$(STAMP)-core: $(STAMP)-venv $(RUST_SOURCES) pyproject.toml
	rm -f src/bubi/_core.abi3.so
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop --release --quiet --skip-install-deps 2>/dev/null || \
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/maturin develop --release
	@touch $@

up: setup ## build, start the development network, show what to try
	$(BIN)/bubi up --detach

down: ## stop the development network
	$(BIN)/bubi down

test: setup ## build and run all tests except those marked long
	cargo test --workspace --exclude bubi-py --quiet
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

bench: setup ## the three benchmarks of one node; figures go to benchmarks/README.md by hand
	$(BIN)/bubi bench verify
	$(BIN)/bubi bench ledger
	$(BIN)/bubi bench api

fmt: ## format everything
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

clean: ## remove everything that was built
	rm -rf target .venv build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
