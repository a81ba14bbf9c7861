# Two commands set everything up on a fresh machine: make demo, make test.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check format clean archive browser

# The environment is made again when what it is made of changes.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar off --quiet -e '.[test,train]'
	touch $@

demo: $(VENV)/.ready  ## evaluate the included model on the included dataset, show the leaderboard
	$(BIN)/vgbench evaluate reference -d demo-city
	$(BIN)/vgbench leaderboard -d demo-city

test: $(VENV)/.ready  ## the test suite without its long parts
	$(BIN)/python -m pytest -m 'not slow'

test-all: $(VENV)/.ready  ## the whole test suite
	$(BIN)/python -m pytest

browser:  ## install Debian's chromium, which the tests of the page drive; they are skipped without
	command -v chromium || { \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update -qq && \
	  $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; }

check: $(VENV)/.ready  ## lint, format, types, and the examples in the documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --doctest-modules vgbench -p no:cacheprovider

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

archive: $(VENV)/.ready  ## draw demo-city's archive anew (a few minutes)
	$(BIN)/python -m vgbench.demo_city build/demo-city --archive vgbench/demo_city/demo-city.zip

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
