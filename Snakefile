"""Run the notebooks of book/_toc.yml whose source, inputs or parameters have changed, and build the book.

    snakemake --cores 8 --keep-going                                     everything, including the book
    snakemake --cores 8 --keep-going --resources gpu=4 --forcerun notebook --config scale=gpu missing=1
    snakemake --executor slurm --jobs 8 --keep-going --forcerun notebook --config scale=gpu missing=1  (see book/gpu.md)
"""

import json
import sys
from glob import glob

import yaml

SCALE = str(config.get("scale", "cpu"))
RUNS = " ".join(f"--{what}" for what in ("missing", "fresh") if str(config.get(what, "0")).lower() in ("1", "true"))
PYTHON = sys.executable

with open("book/_toc.yml") as toc:
    pages = [chapter["file"] for part in yaml.safe_load(toc)["parts"] for chapter in part["chapters"]]
NOTEBOOKS = [page.removeprefix("runs/") for page in pages if page.startswith("runs/")]

# Files besides the notebook that change what its page shows. The library is left out where it can be: with all of
# it, every edit would run every notebook.
RESULTS = glob(f"data/results/{SCALE}/*.json") + glob("data/paper/*.csv")
DATA = glob("ctnet/data/*.py") + glob("ctnet/data/motionpairs/*.py")
PROBES = glob(f"data/results/{SCALE}/probes-*.csv")
USES = {
    "start": DATA + RESULTS,
    "data": DATA,
    "protocols": DATA + ["ctnet/protocol.py"] + glob("data/paper/*.csv"),
    "ct_module": glob("ctnet/models/*.py"),
    "cost": glob("ctnet/models/*.py") + glob("data/paper/*.csv"),
    "figure_5": glob("ctnet/models/*.py") + glob("data/paper/*.csv"),
    "speed": glob("data/results/bench/*.json"),
    "reliability": glob("data/results/soak/*.json"),
    "grid_words": RESULTS + PROBES,
    "real_data": RESULTS + glob("data/results/bench/*.json") + glob("ctnet/data/sets/*.py"),
}
# These show clips of MotionPairs, which has no paper scale: there they show those of cpu.
DRAWN = ("start", "data", "protocols", "predict", "figure_3")


localrules:
    all,
    notebooks,
    book,


# Lists every executed notebook, so that a deleted one is run again even if the book is still there.
rule all:
    input:
        expand("book/runs/{name}.ipynb", name=NOTEBOOKS),
        "book/_build/html/index.html",


rule notebooks:
    input:
        expand("book/runs/{name}.ipynb", name=NOTEBOOKS),


rule notebook:
    input:
        notebook="notebooks/{name}.ipynb",
        uses=lambda w: USES.get(w.name, RESULTS),
    output:
        "book/runs/{name}.ipynb",
    params:
        # must depend on the wildcards only: Snakemake would not see changes of a function that takes `output`
        json=lambda w: json.dumps({"scale": "cpu" if SCALE == "paper" and w.name in DRAWN else SCALE}),
    threads: int(config.get("threads", 1))
    resources:
        # with `--resources gpu=0` Snakemake makes this 0
        gpu=1 if SCALE in ("gpu", "paper") else 0,
        # what a Slurm job asks for: Snakemake's default of 1 GB is less than torch alone needs
        mem_mb=int(config.get("mem_mb", 16000)),
        runtime=int(config.get("minutes", 1440)),
    shell:
        # exec makes Snakemake itself the parent, so that --end-with-parent ends the run when Snakemake is killed
        "exec env CTNET_CORES={threads} {PYTHON:q} -m ctnet run {input.notebook} --out {output} --params {params.json:q} --end-with-parent {RUNS} > /dev/null"


rule book:
    input:
        expand("book/runs/{name}.ipynb", name=NOTEBOOKS),
        glob("book/*.md") + glob("book/*.yml") + glob("book/*.bib") + glob("book/static/*.*") + glob("book/ext/*.py"),
        glob("data/results/*/*.json"),  # every scale counts for the verdicts of the first page
    output:
        "book/_build/html/index.html",
    shell:
        "{PYTHON:q} -m ctnet book"
