"""`make soak`: what holds over thousands of reads, hundreds of kills and as many broken files as the time allows.

reads   2000 random reads of video: memory, open handles and threads must not grow (benchmarks/reads.py)
kills   200 SIGKILLs of drawing, preparing and training, each resumed: nothing lost or double (benchmarks/kills.py)
fuzz    damaged videos, lists and manifests: a clean error or a right result (benchmarks/fuzz.py)
"""

import argparse
import json
from pathlib import Path

from ctnet import paths
from ctnet.errors import ConfigError
from ctnet.experiments import provenance, records
from tests.soak import fuzz, kills, reads

SECTIONS = {
    "reads": lambda o: reads.reads(o.reads, o.minutes, o.seed),
    "kills": lambda o: kills.kills(o.kills, o.minutes, o.seed),
    "fuzz": lambda o: fuzz.fuzz(o.minutes, o.seed),
}
SHOWN = 10  # failures of a section that are printed; the record has all


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    p.add_argument("--minutes", type=float, default=9, help="after which a section ends with what it has done")
    p.add_argument("--reads", type=int, default=2000)
    p.add_argument("--kills", type=int, default=200)
    p.add_argument("--seed", type=int, default=0, help="of all that is drawn; of `fuzz`, the first one")
    p.add_argument("--out", type=Path, help="default: runs/soak.json")
    p.add_argument("--record", action="store_true", help="keep the figures in data/results/soak for the book")
    return p


def main(args: list[str] | None = None) -> int:
    """Exit status: 0 nothing found, 1 something."""
    options = parser().parse_args(args)
    if options.minutes <= 0 or options.reads < 2 or options.kills < 1:
        raise ConfigError("soak: --minutes must be above 0, --reads at least 2, --kills at least 1")
    out = options.out or paths.runs_root() / "soak.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    record = {"provenance": provenance.provenance()}
    print(f"{record['provenance']['device']}, commit {record['provenance']['commit']}")
    found = 0
    for name in options.only:
        record[name] = SECTIONS[name](options)
        out.write_text(json.dumps(record, indent=1))  # after each: a run that is cut keeps what it had
        failures = record[name]["failures"]
        print(told(name, record[name]), *failures[:SHOWN], sep="\n  ")
        found += len(failures)
    print(records.keep("soak", record) if options.record else out)
    return int(found > 0)


def told(name: str, section: dict) -> str:
    """`reads: 2000 reads, 0 failures`."""
    what = {"reads": "reads", "kills": "kills", "fuzz": "cases"}[name]
    return f"{name}: {section[what]} {what}, {len(section['failures'])} failures"


if __name__ == "__main__":
    raise SystemExit(main())
