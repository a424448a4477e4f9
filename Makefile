# `make setup`, `make demo` and `make test` do all set-up themselves on Debian 12 and Ubuntu 22.04/24.04.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check unit verify bench docs clean

PY := .venv/bin/python
# Tests that do not mind what else the machine does; the others count what the kernel holds, or what a process gets.
# Scenarios come first: some take a minute, and with the small ones last no worker waits long for the other.
BESIDE_EACH_OTHER := $(patsubst %,tests/integration/test_%.py,scenarios languages rules facts cgo_sources configure \
	killed terminal interrupted harmless ptrace_life ptrace_privileges privileges choice roots_files preload become \
	attach_refused spaces other_roots new_namespaces confinement without_pidfd fresh warm scenario_cli scenario_sudo readme \
	crash_stacks unwinding loader_failures golinked elf_go elf_c elf_unrelocated illegal_instructions kernel_calls \
	sockets host warm_start) tests/contract tests/unit
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
	$(PY) -m pytest -n 2 --dist worksteal $(BESIDE_EACH_OTHER) || failed=1; \
	$(PY) -m pytest tests $(BESIDE_EACH_OTHER:%=--ignore=%) || failed=1; \
	exit $$failed

check: setup ## ruff and mypy only
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

unit: setup ## the tests that need no root, no kernel feature and no Go
	$(PY) -m pytest tests/unit tests/contract

verify: setup ## reproduce, diagnose and fix every scenario, by eBPF and by ptrace (ARGS=ID for some)
	$(PY) -m gotrace scenario verify --backend both -j 2 $(ARGS)

bench: ## measure against the bare command, strace and bear (half an hour; ARGS=--quick for a look)
	@tools/setup.sh bench
	$(PY) -m bench.run $(ARGS)

docs: setup ## write docs/rules/ and docs/scenarios/, paste a fresh finding into the README
	$(PY) tools/generate_docs.py
	$(PY) tools/refresh_readme.py

clean: ## remove what make made, but not what it installed on the system
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find gotrace tests bench tools -name __pycache__ -type d -prune -exec rm -rf {} +
