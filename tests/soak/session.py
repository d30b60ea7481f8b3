"""One run of `make soak`: its options, and the record that gets a section after each long test."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ctnet import paths
from ctnet.experiments import provenance, records

COUNTED = {"reads": "reads", "kills": "kills", "fuzz": "cases"}  # section: the key of its total
SHOWN = 10  # failures of a section that are printed; the record has all


@dataclass
class SoakSession:
    """Options of a soak and what it found so far.

    Attributes:
        minutes: Time limit of each section; a section ends early with what it has done by then.
        reads: Number of random reads.
        kills: Number of kills, over all tasks.
        seed: Seed of all random choices; the first of several seeds for damaged files.
        out: File of the record; by default `soak.json` in the folder of runs.
        keep: Whether to keep the record in data/results/soak, for the book.
        record: The provenance of this run and its finished sections.
        place: Where the record was written last.
    """

    minutes: float = 9
    reads: int = 2000
    kills: int = 200
    seed: int = 0
    out: Path | None = None
    keep: bool = False
    record: dict = field(default_factory=dict)
    place: Path | None = None

    def __post_init__(self):
        if not self.minutes > 0 or self.reads < 2 or self.kills < 1:
            raise pytest.UsageError("soak: --minutes must be above 0, --reads at least 2, --kills at least 1")
        self.out = self.out or paths.runs_root() / "soak.json"

    def add(self, name: str, section: dict) -> None:
        """Write a finished section to the record; fail the test if the section has failures.

        Args:
            name: "reads", "kills" or "fuzz".
            section: What the harness returned: its total, its details and a list of `failures`.
        """
        if not self.record:
            self.record["provenance"] = provenance.provenance()
        self.record[name] = section
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.out.write_text(json.dumps(self.record, indent=1))  # after each section, so a cut run keeps what it had
        self.place = self.out
        if section["failures"]:
            pytest.fail(self.line(name), pytrace=False)

    def finish(self, planned: int) -> None:
        """Keep the record for the book if that was asked for and all planned sections were run to their end."""
        if self.keep and len(self.sections) == planned > 0:
            self.place = records.keep("soak", self.record)

    @property
    def sections(self) -> list[str]:
        """Names of the finished sections."""
        return [name for name in self.record if name != "provenance"]

    def line(self, name: str) -> str:
        """Return `reads: 2000 reads, 0 failures`, then the first failures, one per line."""
        section = self.record[name]
        total = f"{name}: {section[COUNTED[name]]} {COUNTED[name]}, {len(section['failures'])} failures"
        return "\n  ".join([total, *section["failures"][:SHOWN]])

    def summary(self) -> str:
        """Return the device, a line for each finished section, and where the record is."""
        if not self.place:
            return "no section was finished"
        made = self.record["provenance"]
        return "\n".join(
            [f"{made['device']}, commit {made['commit']}", *map(self.line, self.sections), f"record: {self.place}"]
        )
