# The one entry point for people and CI. Every target sets up what it needs first; `setup` costs nothing when nothing changed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := .make/setup

.PHONY: help setup lock

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(STAMP) ## install everything this repo needs into .venv

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv

$(STAMP): $(BIN)/uv requirements.lock pyproject.toml agent/pyproject.toml
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e ./agent -e .
	@mkdir -p .make && touch $@

lock: $(BIN)/uv ## resolve the dependencies again and write requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-package watchbill-agent \
		--no-emit-package watchbill --python-version 3.11 pyproject.toml --group dev -o requirements.lock
