# Needs python3 (3.10 or newer) with pip, and make. `make PYTHON=python3.12 …` takes another Python;
# `make VENV=… …` puts the environment elsewhere.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: hello test lint docs pictures format clean

hello: $(VENV)/.run
	$(BIN)/python generate.py "Hello! I wrote this by hand." --seed 6 -o hello.svg -o hello.png

# One process for each core, up to four.
test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

lint: $(VENV)/.dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

# The site, into site/. With --quiet, warnings would not count for --strict. The variable silences an advertisement.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The pictures in README and guides, written by the network as it is now.
pictures: $(VENV)/.run
	$(BIN)/python generate.py --page docs/images/letter.txt --paper 158x94 --margins 10 12 8 16 --ruled 8 \
		--margin-line --style hasty --seed 1 --color "#1a2a5e" --dpi 120 -o docs/images/letter.png
	$(BIN)/python generate.py "the soft window" --style plain --seed 2 --attention docs/images/window.png \
		-o docs/images/window.json && rm docs/images/window.json
	$(BIN)/python docs/hands.py docs/images/hands.png

format: $(VENV)/.dev
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache hello.svg hello.png
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, with what running needs (.run) and with the tools for testing and for the site as well (.dev).
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
	$(INSTALL) -e ".[dev,docs,notebooks]"
	@touch $(VENV)/.run $@
