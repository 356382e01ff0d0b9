# Each target does its own set-up: a virtual environment in .venv, made once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Test processes side by side, one thread each.
JOBS ?= 2

.PHONY: bench test lint docs leaderboard clean

# The default comparison: embedded synthetic ECGs, ends with the leaderboard and the report's path.
bench: $(STAMP)
	$(BIN)/lcd-bench run

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

# The published leaderboards, from the committed results.
leaderboard: $(STAMP)
	$(BIN)/python benchmarks/leaderboard.py

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --editable ".[test,docs]"
	touch $@

clean:
	rm -rf $(VENV) site
