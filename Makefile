# One command each: `make demo`, `make test`, `make submission RECIPE=...`. `make` lists them all.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
RECIPE ?= recipes/roberta.yaml
OUT ?= submission.csv
SET ?=
GOLD ?=
BENCH ?=
# The minutes that fuzz goes on for.
MINUTES ?= 1
PRED ?=
PORT ?= 6006
# Processes that the tests are shared among.
WORKERS ?= 2
SHARED := --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

VENV := .venv
BIN := $(VENV)/bin
RELX := $(BIN)/relx
PIP := $(BIN)/python -m pip --disable-pip-version-check
MADE := $(VENV)/.made
INSTALLED := $(VENV)/.installed
TEST_INSTALLED := $(VENV)/.installed-test
LOWEST := build/lowest
LOWEST_INSTALLED := $(LOWEST)/.installed
PEERS := build/peers
PEERS_INSTALLED := $(PEERS)/.installed
DOCS := build/docs
DOCS_INSTALLED := $(DOCS)/.installed
SITE := build/site

SETTINGS = $(foreach setting,$(SET),--set '$(setting)')
# The run is named by the recipe, unless SET names it.
RUN = $(or $(patsubst name=%,%,$(filter name=%,$(SET))),$(shell sed -n 's/^name: *\([^ #]*\).*/\1/p' '$(RECIPE)'))

.DELETE_ON_ERROR:
.PHONY: help demo demo-emotion demo-decoder test test-fast test-lowest lint types validate tapt train predict
.PHONY: score submission eda report tensorboard bench fuzz docs dist lock clean

help: ## list these targets
	@echo 'make TARGET [RECIPE=$(RECIPE)] [OUT=$(OUT)] [SET="train.epochs=1 seed=7"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(INSTALLED) ## the whole chain on the sample: TAPT, train, predict, score, report
	$(RELX) demo

demo-emotion: $(INSTALLED) ## the same on the second sample: which emotions are felt about a target
	$(RELX) demo emotion

demo-decoder: $(INSTALLED) ## the same question asked of a tiny decoder, without TAPT
	$(RELX) demo decoder

test: $(TEST_INSTALLED) ## run all tests
	$(BIN)/python -m pytest $(SHARED)

test-fast: $(TEST_INSTALLED) ## run the tests that are fast
	$(BIN)/python -m pytest $(SHARED) -m 'not slow'

test-lowest: $(LOWEST_INSTALLED) ## run the fast tests with the lowest versions that setup.py allows
	$(LOWEST)/bin/python -m pytest $(SHARED) -m 'not slow'

lint: $(TEST_INSTALLED) ## check style, format and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(TEST_INSTALLED) ## check the type annotations
	$(BIN)/mypy

validate: $(INSTALLED) ## check RECIPE and its data
	$(RELX) validate --recipe '$(RECIPE)' $(SETTINGS)

tapt: validate ## stage 1 of RECIPE; a decoder has none
	@grep -qs '^decoder:' '$(RECIPE)' || $(RELX) tapt --recipe '$(RECIPE)' $(SETTINGS)

train: tapt ## stage 2 of RECIPE, after stage 1
	$(RELX) train --recipe '$(RECIPE)' $(SETTINGS)

predict: train ## write OUT with RECIPE's run, after both stages
	$(RELX) predict --run '$(RUN)' --out '$(OUT)'

score: train ## score RECIPE's run on the labelled rows of GOLD
	@test -n '$(GOLD)' || { echo 'make score needs GOLD=FILE, the labelled rows' >&2; exit 2; }
	$(RELX) score --run '$(RUN)' --gold '$(GOLD)'

submission: predict ## validate, TAPT, train and predict with RECIPE
	@echo 'wrote $(OUT)'

eda: $(INSTALLED) ## a page about RECIPE's data, in eda.html; PRED=CSV adds predictions of the test
	$(RELX) eda --recipe '$(RECIPE)' $(SETTINGS) $(if $(PRED),--pred '$(PRED)')

report: train ## a page about RECIPE's run, in report.html; GOLD=FILE takes other labelled rows
	$(RELX) report --run '$(RUN)' $(if $(GOLD),--gold '$(GOLD)')

tensorboard: $(INSTALLED) ## show the logs of all runs, at http://localhost:$(PORT)
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/tensorboard --logdir runs --port $(PORT) \
	  --samples_per_plugin text=1000,pr_curves=1000

bench: $(INSTALLED) $(PEERS_INSTALLED) ## relx beside its peers; BENCH=--tiny tries it on the sample
	$(BIN)/python bench/peers.py --peer-python $(PEERS)/bin/python $(BENCH)

fuzz: $(TEST_INSTALLED) ## give every reader broken files; MINUTES=30 goes on for longer
	$(BIN)/python bench/fuzz.py --minutes $(MINUTES)

docs: $(DOCS_INSTALLED) $(TEST_INSTALLED) ## build the documents in build/site; check links, commands, figures
	$(BIN)/python docs/recipe_keys.py --check
	$(BIN)/python docs/layers.py --check
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict --site-dir $(SITE)
	$(BIN)/python docs/site_links.py $(SITE)
	$(BIN)/python -m pytest tests/test_docs.py tests/test_docs_figures.py
	@echo 'the documents are in $(SITE)/index.html'

dist: $(TEST_INSTALLED) ## build the wheel and the source archive, into dist
	$(BIN)/python -m build --no-isolation

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'relx needs Python 3.11 or newer; name one: make PYTHON=python3.11 ...' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(INSTALLED): requirements.lock setup.py | $(MADE)
	@echo 'installing what relx needs into $(VENV); this takes some minutes, once'
	@$(PIP) install --quiet --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST_INSTALLED): requirements-test.lock $(INSTALLED)
	@echo 'installing what the tests need into $(VENV); this takes some minutes, once'
	@$(PIP) install --quiet --requirement requirements.lock --requirement requirements-test.lock
	@touch $@

# The lowest Python too: the oldest versions have no wheels for the newest. Neither JAX nor PyTorch,
# whose older builds need CUDA's libraries. TensorBoard before 2.21 shows nothing without pkg_resources.
LOWEST_PIP := $(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python
$(LOWEST_INSTALLED): setup.py requirements-test.lock | $(TEST_INSTALLED)
	@echo 'installing the lowest versions into $(LOWEST); this takes some minutes, once'
	@$(BIN)/uv venv --quiet --clear --python 3.11 $(LOWEST)
	@$(LOWEST_PIP) --resolution lowest-direct --editable '.[cpu,look]' 'setuptools>=77,<81'
	@$(LOWEST_PIP) --constraint requirements-test.lock hypothesis pytest pytest-xdist sentencepiece
	@touch $@

$(PEERS_INSTALLED): bench/requirements-peers.txt | $(MADE)
	@echo 'installing the peers of the bench into $(PEERS); this takes some minutes, once'
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

$(DOCS_INSTALLED): requirements-docs.lock | $(MADE)
	@echo 'installing what builds the documents into $(DOCS), once'
	@$(PYTHON) -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

# pip itself and relx are left out, a build's mark such as +cpu is dropped, and so are the CUDA
# packages, which only some builds of torch bring.
FREEZE := build/lock/bin/python -m pip freeze --all --exclude pip --exclude relx
PINS := sed -e 's/+.*//' -e '/^\(nvidia\|cuda\|triton\)/d'

# What only TensorFlow needs, or what the name keras-nlp adds to keras-hub.
TENSORFLOW := astunparse flatbuffers gast google-pasta keras-nlp libclang six tensorflow \
  tensorflow-text termcolor wheel wrapt

lock: ## resolve the newest versions into the lock files
	rm -rf build/lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade setuptools '.[cpu,look,tables]'
	$(FREEZE) | $(PINS) > build/requirements.lock
	build/lock/bin/python -m pip install --quiet '.[cpu,test]'
	$(FREEZE) | $(PINS) | grep -vxFf build/requirements.lock > build/requirements-test.lock
	for backend in jax torch; do \
	  $(PYTHON) -m venv --clear build/lock; \
	  build/lock/bin/python -m pip install --quiet --upgrade setuptools ".[$$backend,look,tables]"; \
	  build/lock/bin/python -m pip uninstall --quiet --yes $(TENSORFLOW); \
	  $(FREEZE) | $(PINS) > build/requirements-$$backend.lock; \
	done
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/python -m pip install --quiet mkdocs-material
	$(FREEZE) --exclude setuptools > build/requirements-docs.lock
	mv build/requirements*.lock .
	rm -rf build/lock

clean: ## remove the environment and what the tools left; runs stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
