# Everything from a fresh machine on: each target sets up what it needs first, and is quick where that is done.
# Needs make, bash, a Python of 3.11 or newer (PYTHON=… chooses one) and apt, or the packages it asks for.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
STORE ?=
WORKERS ?= 2
FUZZ ?= 600
RECIPE ?= minimal
REPRO := $(BIN)/repro $(if $(STORE),--store $(STORE))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help verify build test lint test-boot quorum-demo bench-build bench-compare bench-fetch bench-hunt bench-trace corpus corpus-score faults fuzz clean setup setup-dev

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | \
	while IFS='|' read -r name what; do printf '  make %-13s %s\n' "$$name" "$$what"; done
	@echo '  Variables: RECIPE=… (which image), PYTHON=… (which Python), STORE=… (where packages are kept), WORKERS=… (test processes).'

verify: setup ## Set up, then rebuild the minimal live ISO (RECIPE=…) twice from its pins and compare
	$(REPRO) verify $(RECIPE)

build: setup ## Set up, then build the minimal live ISO (RECIPE=…) once, into out/RECIPE
	$(REPRO) build $(RECIPE)

test: setup-dev lint ## Set up with the test tools, lint, and run every test: what CI runs
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m 'not long'

lint: setup-dev ## ruff (rules and format) and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-boot: setup-dev ## Only the tests that boot an image under QEMU
	$(BIN)/python -m pytest -m boot

quorum-demo: setup-dev ## Five rebuilders rebuild, sign and publish; a person counts, also where some of it is forged
	@setup/host-packages.sh demo
	$(BIN)/python -m demo.quorum

bench-build: setup ## Build the same packages with live-build and with repro, and compare the times (RECIPE=…)
	@setup/host-packages.sh bench
	bash bench/build.sh --recipe $(RECIPE)

bench-compare: setup ## Compare pairs of live images with diffoscope and with repro, and compare the times
	@setup/host-packages.sh bench
	bash bench/compare.sh

bench-fetch: setup ## Fetch the same 300 packages with apt-get download and with repro, and compare the times
	@setup/host-packages.sh bench
	$(BIN)/python -m bench.fetch

bench-hunt: setup ## Hunt for planted causes in few builds and one by one, and compare the times
	$(BIN)/python -m bench.hunt

bench-trace: setup ## Build with and without --trace, in turns, and compare times and bits
	$(BIN)/python -m bench.trace

corpus: setup ## Make divergent pairs with known causes by real programs, into out/corpus
	@setup/host-packages.sh corpus
	$(BIN)/python -m corpus make

corpus-score: setup ## How often the causes that are named are right, on the corpus (made where it is not there)
	@setup/host-packages.sh corpus
	$(BIN)/python -m corpus score

faults: setup-dev ## Fetch from servers that misbehave by 200 seeded plans, and kill 50 fetches
	$(BIN)/python -m tests.faults

fuzz: setup-dev ## Hostile and random inputs for longer than `make test`: FUZZ=… seconds (600) of damaged containers
	$(BIN)/python -m tests.fuzz $(FUZZ)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n $(WORKERS) -m 'not build and not boot and not network'

clean: ## Remove what was built and set up here; the store of packages is left alone
	rm -rf $(VENV) out build dist repro_iso.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: made anew when pyproject.toml changes. The host's packages are looked at every time: that takes
# a few milliseconds, and they may go without our notice.
setup: $(VENV)/.stamp-run
	@setup/host-packages.sh verify

setup-dev: $(VENV)/.stamp-dev
	@setup/host-packages.sh test

# A virtual environment whose folder was moved, or whose Python has gone, is made anew.
ifneq ($(file <$(VENV)/.place)$(wildcard $(BIN)/python),$(CURDIR)$(BIN)/python)
.PHONY: $(VENV)/.stamp-run
endif

$(VENV)/.stamp-run: pyproject.toml setup/venv.sh
	@setup/venv.sh $(VENV)
	@echo "installing Python packages" >&2
	@$(PIP) -e .
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-run
	@echo "installing the test tools" >&2
	@$(PIP) -e ".[dev]"
	@touch $@
