# What there is to do, one target each; `make help` lists them. Needs Python 3.11 or later, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(patsubst %/pyproject.toml,./%,$(sort $(wildcard plugins/*/pyproject.toml)))
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo install test test-all check bench wheels clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(INSTALLED) ## run the suite quick: every model on digits, with a report in demo/report.html
	$(BIN)/flowzoo bench run quick --out demo --jobs 2 --device cpu
	$(BIN)/flowzoo bench report demo --html demo/report.html

install: $(INSTALLED) ## make .venv with the core, every plugin and the development tools

test: $(INSTALLED) ## run the tests, with coverage (TESTFLAGS=... adds options of pytest)
	$(BIN)/python -m pytest --cov --cov-report=term --numprocesses=auto $(TESTFLAGS)

test-all: $(INSTALLED) ## run the tests, with the whole kit on every mixture of components
	$(BIN)/python -m pytest --numprocesses=auto --whole-kit

check: $(INSTALLED) ## lint, formatting, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy flowzoo plugins/*/src
	$(BIN)/python .ci/lint_imports.py

bench: $(INSTALLED) ## time the import and every registered part, beside a stored run
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python -m pytest benchmarks/speed --benchmark-save=speed \
		--benchmark-compare=benchmarks/results/speed/two-cores-shared.json

wheels: $(INSTALLED) ## build every distribution into dist/
	@for project in . $(PLUGINS); do $(BIN)/python -m build --no-isolation --outdir dist $$project || exit 1; done

clean: ## remove what the other targets made
	rm -rf $(VENV) demo dist build .coverage htmlcov .benchmarks
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# A stamp, so that nothing is installed again until what it depends on changes.
$(INSTALLED): constraints.txt pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "flowzoo needs Python 3.11 or later; name one: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
		--editable '.[all,dev]' $(PLUGINS:%=--editable %)
	@touch $@
