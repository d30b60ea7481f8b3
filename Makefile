# `make` alone lists the targets. No environment has to be activated: all of them use .venv, which `make setup` makes.
SCALE ?= cpu                # smoke, cpu, gpu, paper
MISSING ?= 0                # 1: run experiments that have no record; after a kill, the same call continues
FRESH ?= 0                  # 1: run every notebook and experiment again, even if recorded
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
GPUS  ?= $(shell nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
JOBS  ?= $(shell [ $(GPUS) -gt 0 ] && echo $(GPUS) || echo 2)
PYTHON ?=
UV_VERSION := 0.13.8

# seconds between two updates of a progress bar: often on a screen, seldom in a log
export TQDM_MININTERVAL ?= $(shell [ -t 2 ] && echo 0.1 || echo 10)

PY := .venv/bin/python
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup data notebooks book test pages lab bench soak lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "  Variables: SCALE=smoke|cpu|gpu|paper  MISSING=1  FRESH=1  JOBS=notebooks at a time  GPUS=n  PYTHON=python3.12"

setup: $(READY) ## install every pinned package into .venv

$(READY): requirements.lock pyproject.toml Makefile
	@found=; for p in $(PYTHON) python3.11 python3.12 python3; do \
	  $$p -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 13))' 2>/dev/null && found=$$p && break; \
	done; \
	[ -n "$$found" ] || { echo "ctnet needs Python 3.11 (from 3.11.5) or 3.12; none found. Give one: make PYTHON=/path/to/python3.12"; exit 1; }; \
	[ -x $(PY) ] || $$found -m venv .venv
	@echo "installing requirements.lock into .venv: about 6 GB on Linux, a few minutes at the first call"
	@$(PY) -m pip install -q --disable-pip-version-check uv==$(UV_VERSION) || echo "uv could not be installed; pip is slower, but does the same"
	@$(PY) -m uv pip install -q --python $(PY) -r requirements.lock || $(PY) -m pip install -q -r requirements.lock
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $(READY)

data: setup ## draw MotionPairs at SCALE (for SCALE=paper that of cpu, because MotionPairs has no paper scale)
	@$(PY) -m ctnet data prepare motionpairs --scale $(patsubst paper,cpu,$(strip $(SCALE)))

notebooks: data ## run the notebooks whose sources or inputs have changed
	@$(SAY); $(SNAKEMAKE) notebooks

SAY = echo "$(words $(wildcard notebooks/*.ipynb)) notebooks; those whose sources or inputs have changed are run"
SNAKEMAKE = $(PY) -m snakemake --cores $(CORES) --resources gpu=$(GPUS) --keep-going --rerun-incomplete --nolock \
  --quiet all $(if $(filter 1,$(MISSING) $(FRESH)),--forcerun notebook) \
  --config scale=$(strip $(SCALE)) missing=$(strip $(MISSING)) fresh=$(strip $(FRESH)) threads=$$(( $(CORES) / $(JOBS) > 0 ? $(CORES) / $(JOBS) : 1 )) --

book: data ## run the notebooks that have changed, build the book, print where it is
	@$(SAY); status=0; $(SNAKEMAKE) notebooks || status=1; $(PY) -m ctnet book || status=1; exit $$status

test: setup ## run the tests on all cores
	@$(PY) -m pytest -n $(CORES) --dist loadfile

pages: setup ## run every notebook at the smoke scale and test what it shows; `make test` does so with a few of them
	@$(PY) -m pytest -n $(CORES) tests/book/test_notebooks.py -m "page or not page"

lab: setup ## open JupyterLab on the notebooks
	@$(PY) -m jupyter lab --notebook-dir notebooks

bench: setup ## measure speed, as ratios within one run
	@$(PY) -m ctnet data prepare motionpairs --scale cpu
	@$(PY) -m ctnet bench

soak: setup ## test video reads, kills and damaged files at length: MINUTES=9 for each of the three
	@$(PY) -m pytest tests/soak --soak -q -s $(if $(MINUTES),--minutes $(MINUTES))

lock: ## resolve pyproject.toml again; versions in requirements.lock stay if possible
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m uv pip compile -q --universal --python-version 3.11.5 pyproject.toml \
	  --all-extras --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.lock

clean: ## remove what notebooks and builds left; keep .venv, prepared data, checkpoints and recorded results
	@rm -rf book/_build book/runs .snakemake .pytest_cache .ruff_cache .hypothesis lightning_logs
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
