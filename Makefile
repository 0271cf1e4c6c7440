# make up | test | check | bench | quality | notebooks | strip | clean. Everything lives in .venv; nothing else of the machine is touched.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
ARGS ?=
# Tests go side by side, a module in one process: as many as there are cores, at most four. ARGS="-n 0" is one after the other.
SPREAD := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: up env dev test check bench quality notebooks strip clean

up: env
	exec $(BIN)/nameward up $(ARGS)

env: $(VENV)/.run
dev: $(VENV)/.dev

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer with venv is needed (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV), the first time takes a minute or two"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.run
	@echo "installing the tools of the tests into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/.notebooks: pyproject.toml $(VENV)/.run
	@echo "installing JupyterLab into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.[notebooks]'
	@touch $@

notebooks: $(VENV)/.notebooks
	cd notebooks && exec ../$(BIN)/jupyter lab $(ARGS)

strip: dev
	$(BIN)/python notebooks/strip.py

check: dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/compose/test_documents.py

test: dev
	sh tests/peers/install.sh
	$(BIN)/python -m pytest $(SPREAD) $(ARGS)

quality: dev
	sh tests/peers/install.sh
	$(BIN)/python -m tests.bench.quality $(ARGS)

bench: dev
	sh tests/peers/install.sh
	$(BIN)/python -m tests.bench $(ARGS)

clean:
	rm -rf $(VENV) .nameward .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
