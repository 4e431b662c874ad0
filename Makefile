# The commands of this project. `make demo` and `make test` install what they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-arm check unit setup apt bench clean

# make demo, make demo ARCH=arm64, make demo PLATFORM=raspberrypi
ARCH ?=
PLATFORM ?=
demo: setup
	$(BIN)/python -m tests.qemu.demo $(if $(ARCH),--arch $(ARCH)) $(if $(PLATFORM),--platform $(PLATFORM))

test: setup check
	$(BIN)/pytest tests/unit tests/fault tests/interop tests/qemu

# All stories again on the other machines; `make test` has what proves most.
STORIES = $(addprefix tests/qemu/,test_life.py test_bad_versions.py test_node.py)
test-arm: setup
	$(BIN)/pytest $(STORIES) --target arm64
	$(BIN)/pytest $(STORIES) --target raspberrypi

setup: apt $(VENV)/.complete

# Debian and Ubuntu packages; nothing is asked of apt when all are there.
apt:
	@setup/apt-packages

$(VENV)/.complete: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

check: $(VENV)/.complete
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.complete
	$(BIN)/pytest tests/unit tests/fault

# Measurements against real peers; an hour without hardware acceleration.
RELEASE = out/bench/$(1)-x86_64-1.0.0
bench: setup
	$(BIN)/build-image images/minimal --out out/bench
	$(BIN)/build-image images/node --out out/bench
	$(BIN)/python -m bench.build --downloads --payload
	$(BIN)/python -m bench.size $(call RELEASE,minimal) $(call RELEASE,node)
	$(BIN)/python -m bench.apply $(call RELEASE,minimal)
	$(BIN)/python -m bench.boot $(call RELEASE,minimal)
	$(BIN)/python -m bench.memory $(call RELEASE,node)

clean:
	rm -rf out .mypy_cache .ruff_cache .pytest_cache
