# Needs python3 (3.10 or newer) with pip, and make. `make PYTHON=python3.12 …` takes another Python;
# `make VENV=… …` puts the environment elsewhere.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: hello test lint format clean

hello: $(VENV)/.run
	$(BIN)/python generate.py "Hello! I wrote this by hand." --seed 8 -o hello.svg -o hello.png

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.dev
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache hello.svg hello.png
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, with what running needs (.run) and with the tools for testing as well (.dev).
# The files of these names are stamps: younger than pyproject.toml and constraints.txt means up to date.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "strokesynth needs Python 3.10 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing strokesynth and what it needs into $(VENV) (once) ..."
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing strokesynth and its test tools into $(VENV) (once) ..."
	$(INSTALL) -e ".[dev,notebooks]"
	@touch $(VENV)/.run $@
