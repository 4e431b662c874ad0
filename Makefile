# The commands of this project; `make help` lists them. They install what they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-all unit mutants check setup apt bench clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

# Debian's mirrors drop packages that the locks name: demo and tests then take newer ones.
export TWINKEEL_NEWER_LOCKS ?= out/locks

# make demo, make demo ARCH=arm64, make demo PLATFORM=raspberrypi
ARCH ?=
PLATFORM ?=
demo: setup ## Build an OS, boot it, update it, break it and watch it recover (ARCH=, PLATFORM=)
	$(BIN)/python -m tests.qemu.demo $(if $(ARCH),--arch $(ARCH)) $(if $(PLATFORM),--platform $(PLATFORM))

test: setup check ## Run the checks and all tests that fit into an hour on two cores without KVM
	$(BIN)/pytest @setup/test-arguments

# Also what proves least per minute: builds repeated by an emulator, and the scenarios of
# every machine on the other machines.
SCENARIOS := $(addprefix tests/qemu/,test_lifecycle.py test_bad_versions.py test_node.py)
test-all: setup check ## Run every test, on every machine (hours)
	$(BIN)/pytest tests
	$(BIN)/pytest $(SCENARIOS) --target arm64
	$(BIN)/pytest $(SCENARIOS) --target raspberrypi

unit: $(VENV)/.complete ## Run the fast tests, on all cores (a minute)
	$(BIN)/pytest tests/unit tests/fault -m "not slow" --numprocesses auto --quiet

# Lines that only a power cut, an attacker or a race would miss; the list is tests/mutants.toml.
mutants: $(VENV)/.complete ## Take out lines one at a time and see a test fail (minutes, as root)
	$(BIN)/python -m tests.mutants

check: $(VENV)/.complete ## Check format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: apt $(VENV)/.complete ## Install what the other commands need

# Debian and Ubuntu packages; nothing is asked of apt when all are there.
apt:
	@setup/apt-packages

# Exactly the lock: a resolver that may look beyond it fails once a newer release is out.
$(VENV)/.complete: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

RELEASE = out/bench/$(1)-x86_64-1.0.0
bench: setup ## Measure against real peers (an hour without KVM)
	$(BIN)/build-image images/minimal --out out/bench
	$(BIN)/build-image images/node --out out/bench
	$(BIN)/python -m bench.build --downloads --payload
	$(BIN)/python -m bench.size $(call RELEASE,minimal) $(call RELEASE,node)
	$(BIN)/python -m bench.apply $(call RELEASE,minimal)
	$(BIN)/python -m bench.boot $(call RELEASE,minimal)
	$(BIN)/python -m bench.memory $(call RELEASE,node)

clean: ## Remove what was built and the caches of the checkers
	rm -rf out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
