# `make setup`, `make demo` and `make test` do all set-up themselves on Debian 12 and Ubuntu 22.04/24.04.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check unit verify bench docs clean

PY := .venv/bin/python
# Tests that count what the kernel holds, or load the machine themselves; all others run beside each other.
ALONE := $(patsubst %,tests/integration/test_%.py,attach ebpf_bursts ebpf_counts ebpf_load ebpf_stderr ebpf_terminal \
	ebpf_unseen netlink ptrace_counts ptrace_guardian)
# A Go that set-up put into the environment is the last resort: the one on PATH is found first.
export PATH := $(PATH):$(CURDIR)/.venv/bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## system packages, .venv/ with gotrace in it, Go if it is missing
	@tools/setup.sh

demo: setup ## a real failing cross-compile diagnosed, then its fix passing
	@tools/demo.sh

test: setup check ## everything: linters, types, unit, contract, integration and hostile tests
	@failed=0; set -x; \
	$(PY) -m pytest -n $$(($$(nproc) + 1)) --dist worksteal tests $(ALONE:%=--ignore=%) || failed=1; \
	$(PY) -m pytest $(ALONE) || failed=1; \
	exit $$failed

check: setup ## ruff and mypy only
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

unit: setup ## the tests that need no root, no kernel feature and no Go
	$(PY) -m pytest tests/unit tests/contract

verify: setup ## reproduce, diagnose and fix every scenario, by eBPF and by ptrace (ARGS=ID for some)
	$(PY) -m gotrace scenario verify --backend both -j $$(($$(nproc) + 1)) $(ARGS)

bench: ## measure against the bare command, strace and bear (half an hour; ARGS=--quick for a look)
	@tools/setup.sh bench
	$(PY) -m bench.run $(ARGS)

docs: setup ## write docs/rules/ and docs/scenarios/, paste a fresh finding into the README
	$(PY) tools/generate_docs.py
	$(PY) tools/refresh_readme.py

clean: ## remove what make made, but not what it installed on the system
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find gotrace tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +
