"""`make bench`: how fast the networks are on this machine, as ratios within one run. Sections:

inference  CT-Net, TSN and TSM on ResNet-50, eager, fused and compiled, in fp32 and bf16, against the plain network
throughput the same with four clips in each call
copies     copies of feature maps in the fused CT-Net, counted by torch.profiler; none may come from a permutation
loader     clips/s that one core reads, against bare decord; the cost of cropping and batching; the network's clips/s
training   clips/s of training at the cpu scale, against the same steps on a batch in memory
kept       inference with freed memory kept: otherwise each pass pays for fresh pages (glibc without a GPU only)
"""

import argparse
import json
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.copies import copies
from benchmarks.inference import DTYPES, NETS, TREATMENTS, inference, kept, throughput
from benchmarks.reading import loader
from benchmarks.training import training, training_set
from ctnet import paths
from ctnet.errors import ConfigError
from ctnet.experiments import provenance, records

SECTIONS = {
    "inference": inference,
    "throughput": throughput,
    "copies": copies,
    "loader": loader,
    "training": training,
}
if platform.libc_ver()[0] == "glibc" and not torch.cuda.is_available():
    SECTIONS["kept"] = kept  # last, because it changes the process
WHOLE_RUN = ("only", "nets", "treatments", "dtypes", "frames", "size")  # options that --record does not allow


class _Parser(argparse.ArgumentParser):
    """A parser that raises ConfigError, which the command line prints as one line."""

    def error(self, message: str):
        raise ConfigError(f"{message}; see python -m {self.prog} --help")


def _whole(least: int, most: int = 10**9) -> Callable[[str], int]:
    """Return the type of an option that is a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > 10 or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"give a whole number from {least} to {most}, not '{text[:20]}'")
        return int(text)

    return read


def _parser() -> argparse.ArgumentParser:
    p = _Parser(prog="ctnet bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections (default: all)")
    p.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), help="networks (default: all)")
    p.add_argument("--treatments", nargs="+", choices=TREATMENTS, default=list(TREATMENTS), help="default: all")
    p.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES), help="precisions (default: both)")
    p.add_argument("--rounds", type=_whole(1), default=7, help="rounds of each measurement (default: %(default)s)")
    p.add_argument("--frames", type=_whole(1, 1000), default=8, help="frames of a clip (default: %(default)s)")
    p.add_argument("--size", type=_whole(1, 4096), default=224, help="pixels of a square crop (default: %(default)s)")
    p.add_argument("--threads", type=_whole(1), help="threads of PyTorch (default: all cores)")
    p.add_argument("--out", type=Path, help="file of the record (default: runs/bench.json)")
    p.add_argument("--record", action="store_true", help="also keep the record in data/results/bench, for the book")
    return p


def main(args: list[str] | None = None) -> int:
    """Run sections of the bench, print their tables and write the record.

    Args:
        args: The words after `ctnet bench`; by default those of this program.

    Returns:
        Exit code 0.

    Raises:
        ConfigError: An option is wrong, or --record is combined with a part of the measurements.
        DataError: The set that `training` reads is missing.
    """
    options = _parser().parse_args(args)
    for name in WHOLE_RUN if options.record else ():
        if getattr(options, name) != _parser().get_default(name):
            raise ConfigError(f"bench: --record keeps a whole run in place of the last one; leave --{name} out")
    if options.threads:
        torch.set_num_threads(options.threads)
    if "training" in options.only:
        training_set()  # a missing set is an error now, not after the other sections
    out = options.out or paths.runs_root() / "bench.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    record = {"provenance": provenance.provenance()}
    print(f"{record['provenance']['device']}, torch {torch.__version__}, commit {record['provenance']['commit']}")
    for name in [name for name in SECTIONS if name in options.only]:
        with torch.set_grad_enabled(name == "training"):
            record[name] = SECTIONS[name](options)
        out.write_text(json.dumps(record, indent=1))  # so an interrupted run keeps its finished sections
    print(records.keep("bench", record) if options.record else out)
    return 0
