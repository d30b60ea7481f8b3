"""Tables of what `make soak` tried on each device and what it found; letters are those of `tables.lettered`."""

from collections.abc import Sequence

import pandas as pd

from ctnet.tables import lettered

NONE = "not yet measured"
SECTIONS = ("reads", "kills", "fuzz")
TRIED = ("random reads of video", "kills of drawing a data set", "kills of training", "damaged files read")


def tried(measured: Sequence[dict]) -> pd.DataFrame:
    """What was tried how often, and how many failures showed."""
    lines = []
    for letter, record in lettered(measured) if measured else [("–", {})]:
        reads, kills, fuzz = (record.get(name) for name in SECTIONS)
        found = [reads and reads["reads"], kills and kills["prepare"]["kills"], kills and kills["train"]["kills"]]
        found.append(fuzz and fuzz["cases"])
        sections = (reads, kills and kills["prepare"], kills and kills["train"], fuzz)
        for what, count, section in zip(TRIED, found, sections, strict=True):
            failures = len(section["failures"]) if count else NONE
            lines.append({"what": what, "on": letter, "times": count or NONE, "failures": failures})
    return pd.DataFrame(lines)


def memory(measured: Sequence[dict]) -> pd.DataFrame:
    """What the process held before the reads, after half of them and at the end; growth is over the second half."""
    columns = ["on", "reads", "memory (MiB)", "handles", "threads", "growth (KiB a read)", "allowed"]
    lines = []
    for letter, record in having(measured, "reads"):
        part = record["reads"]
        samples = part["samples"]
        for k, s in enumerate((samples[0], samples[len(samples) // 2], samples[-1])):
            growth = (part["growth_kib"], part["bound_kib"]) if k == 2 else (None, None)
            row = (letter, s["read"], round(s["memory"] / 1024, 1), s["handles"], s["threads"], *growth)
            lines.append(dict(zip(columns, row, strict=True)))
    return pd.DataFrame(lines, columns=columns)


def landed(measured: Sequence[dict]) -> pd.DataFrame:
    """How far the work had come at each kill."""
    names = {"prepare": "drawing", "train": "training"}
    lines = [
        {"work": names[task], "on": letter, "had come to": stage, "kills": count}
        for letter, record in having(measured, "kills")
        for task in names
        for stage, count in record["kills"][task]["landed"].items()
    ]
    return pd.DataFrame(lines, columns=["work", "on", "had come to", "kills"])


def damaged(measured: Sequence[dict]) -> pd.DataFrame:
    """Damaged files by what they are."""
    lines = [
        {"file": kind, "on": letter, "cases": count}
        for letter, record in having(measured, "fuzz")
        for kind, count in record["fuzz"]["kinds"].items()
    ]
    return pd.DataFrame(lines, columns=["file", "on", "cases"])


def failures(measured: Sequence[dict]) -> pd.DataFrame:
    """Every failure, as it was told."""
    lines = [
        {"section": name, "on": letter, "failure": line}
        for letter, record in lettered(measured)
        for name in SECTIONS
        for line in record.get(name, {}).get("failures", ())
    ]
    return pd.DataFrame(lines, columns=["section", "on", "failure"])


def having(measured: Sequence[dict], section: str) -> list[tuple[str, dict]]:
    return [(letter, record) for letter, record in lettered(measured) if section in record]
