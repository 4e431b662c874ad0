# The commands of this project. `make demo` and `make test` install what they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check unit setup apt bench clean

demo: setup
	$(BIN)/python -m tests.qemu.demo

test: setup check
	$(BIN)/pytest tests/unit tests/fault tests/interop tests/qemu

setup: apt $(VENV)/.complete

# Debian and Ubuntu packages; nothing is asked of apt when all are there.
apt:
	@setup/apt-packages

$(VENV)/.complete: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

check: $(VENV)/.complete
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.complete
	$(BIN)/pytest tests/unit tests/fault

clean:
	rm -rf out .mypy_cache .ruff_cache .pytest_cache
