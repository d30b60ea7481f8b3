# `make` lists what there is. Nothing needs to be activated: everything runs from .venv, which `make setup` makes.
SCALE ?= cpu                # smoke, cpu, gpu, paper
MISSING ?= 0                # 1: train what the pages show and nobody has recorded; killed, the same call goes on
FRESH ?= 0                  # 1: run every notebook and experiment again, whatever is recorded
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
GPUS  ?= $(shell nvidia-smi -L 2>/dev/null | grep -c '^GPU ')
JOBS  ?= $(shell [ $(GPUS) -gt 0 ] && echo $(GPUS) || echo 2)
PYTHON ?=
UV_VERSION := 0.13.8

# seconds between two looks of a progress bar: a log is no screen
export TQDM_MININTERVAL ?= $(shell [ -t 2 ] && echo 0.1 || echo 10)

PY := .venv/bin/python
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup data notebooks book test lab bench soak lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "  Variables: SCALE=smoke|cpu|gpu|paper  MISSING=1  FRESH=1  JOBS=notebooks at a time  GPUS=n  PYTHON=python3.12"

setup: $(READY) ## .venv with every pinned package

$(READY): requirements.lock pyproject.toml Makefile
	@found=; for p in $(PYTHON) python3.11 python3.12 python3; do \
	  $$p -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 13))' 2>/dev/null && found=$$p && break; \
	done; \
	[ -n "$$found" ] || { echo "ctnet needs Python 3.11 (from 3.11.5) or 3.12; none found. Name one: make PYTHON=/path/to/python3.12"; exit 1; }; \
	[ -x $(PY) ] || $$found -m venv .venv
	@echo "installing requirements.lock into .venv: about 6 GB on Linux, a few minutes at the first call"
	@$(PY) -m pip install -q --disable-pip-version-check uv==$(UV_VERSION) || echo "no uv here: pip, which is slower, does it"
	@$(PY) -m uv pip install -q --python $(PY) -r requirements.lock || $(PY) -m pip install -q -r requirements.lock
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $(READY)

data: setup ## draw MotionPairs at SCALE (it has no paper scale: there the notebooks show that of cpu)
	@$(PY) -m ctnet data prepare motionpairs --scale $(patsubst paper,cpu,$(strip $(SCALE)))

notebooks: data ## run the notebooks that need it
	@$(SAY); $(SNAKEMAKE) notebooks

SAY = echo "of $(words $(wildcard notebooks/*.ipynb)) notebooks, those whose sources or inputs have changed are run"
SNAKEMAKE = $(PY) -m snakemake --cores $(CORES) --resources gpu=$(GPUS) --keep-going --rerun-incomplete --nolock \
  --quiet all $(if $(filter 1,$(MISSING) $(FRESH)),--forcerun notebook) \
  --config scale=$(strip $(SCALE)) missing=$(strip $(MISSING)) fresh=$(strip $(FRESH)) threads=$$(( $(CORES) / $(JOBS) > 0 ? $(CORES) / $(JOBS) : 1 )) --

book: data ## run the notebooks that need it, build the book, say where it is
	@$(SAY); status=0; $(SNAKEMAKE) notebooks || status=1; $(PY) -m ctnet.book.pages || status=1; exit $$status

test: setup ## the tests, on all cores
	@$(PY) -m pytest -n $(CORES) --dist loadfile

lab: setup ## JupyterLab on the notebooks
	@$(PY) -m jupyter lab --notebook-dir notebooks

bench: setup ## speed, as ratios within one run
	@$(PY) -m ctnet data prepare motionpairs --scale cpu
	@$(PY) -m ctnet bench

soak: setup ## video reads, kills and damaged files at length: MINUTES=9 for each of the three
	@$(PY) -m pytest tests/soak --soak -q -s $(if $(MINUTES),--minutes $(MINUTES))

lock: ## resolve pyproject.toml again; versions already in requirements.lock stay where they can
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m uv pip compile -q --universal --python-version 3.11.5 pyproject.toml \
	  --all-extras --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.lock

clean: ## what notebooks and builds left; .venv, prepared data, checkpoints and recorded results stay
	@rm -rf book/_build book/runs .snakemake .pytest_cache .ruff_cache .hypothesis lightning_logs
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
