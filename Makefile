# What there is to do, one target each; `make help` lists them. Needs Python 3.11 or later, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= constraints.txt
PLUGINS := $(patsubst %/pyproject.toml,./%,$(sort $(wildcard plugins/*/pyproject.toml)))
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo install test coverage test-all check docs docs-serve learn bench wheels install-check release-check clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(INSTALLED) ## run the suite quick: every model on digits, with a report in demo/report.html
	$(BIN)/flowzoo bench run quick --out demo --jobs 2 --device cpu
	$(BIN)/flowzoo bench report demo --html demo/report.html

install: $(INSTALLED) ## make .venv with the core, every plugin and the development tools

test: $(INSTALLED) ## run the tests (TESTFLAGS=... adds options of pytest)
	$(BIN)/python -m pytest --numprocesses=auto $(TESTFLAGS)

coverage: $(INSTALLED) ## run the tests and list the lines that none of them runs (takes half as long again)
	$(BIN)/python -m pytest --cov --cov-report=term --numprocesses=auto $(TESTFLAGS)

test-all: $(INSTALLED) ## run the tests, with the whole kit on every mixture of components
	$(BIN)/python -m pytest --numprocesses=auto --whole-kit

check: $(INSTALLED) ## lint, formatting, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy flowzoo plugins/*/src
	$(BIN)/python .ci/lint_imports.py

docs: $(INSTALLED) ## build the documentation into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-serve: $(INSTALLED) ## show the documentation at http://127.0.0.1:8000, and follow changes
	$(BIN)/mkdocs serve

learn: $(INSTALLED) ## train every model for 200 steps: it has to learn as well as recorded (six minutes)
	$(BIN)/python benchmarks/learn/learn.py $(LEARNFLAGS)

bench: $(INSTALLED) ## time the import and every registered part, beside a stored run
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python -m pytest benchmarks/speed --benchmark-save=speed \
		--benchmark-compare=benchmarks/results/speed/two-cores-shared.json

wheels: $(INSTALLED) ## build every distribution into dist/
	@for project in . bundle $(PLUGINS); do $(BIN)/python -m build --no-isolation --outdir dist $$project || exit 1; done

install-check: wheels ## install the wheels into an empty environment, and train, evaluate and report there
	.ci/install-check $(PYTHON)

release-check: ## check that TAG=v0.1.0 may be released: versions and changelog agree with it
	@$(PYTHON) .ci/distributions.py release $(TAG)

clean: ## remove what the other targets made
	rm -rf $(VENV) demo dist site build lowest.txt highest.txt .coverage htmlcov .benchmarks
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# A stamp, so that nothing is installed again until what it depends on changes.
$(INSTALLED): $(CONSTRAINTS) pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "flowzoo needs Python 3.11 or later; name one: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) \
		--editable '.[all,dev,docs]' $(PLUGINS:%=--editable %)
	@touch $@

lowest.txt: pyproject.toml $(PLUGINS:%=%/pyproject.toml)
	$(PYTHON) .ci/distributions.py lowest >$@

highest.txt: # no constraint at all
	@touch $@
