"""Tables of what `make soak` tried on each device and what it found; letters are those of `tables.lettered`."""

from collections.abc import Sequence

import pandas as pd

from ctnet.tables import lettered

NONE = "not yet measured"
SECTIONS = ("reads", "kills", "fuzz")
KILLED = {"draw": "drawing a data set", "prepare": "preparing a set of videos", "train": "training"}


def tried(measured: Sequence[dict]) -> pd.DataFrame:
    """What was tried how often, and how many failures showed."""
    lines = []
    for letter, record in lettered(measured) if measured else [("–", {})]:
        reads, kills, fuzz = (record.get(name, {}) for name in SECTIONS)
        parts = [("random reads of video", reads.get("reads"), reads)]
        parts += [(f"kills of {what}", part.get("kills"), part) for what, part in tasks(kills)]
        for what, count, part in [*parts, ("damaged files read", fuzz.get("cases"), fuzz)]:
            failures = len(part["failures"]) if count else NONE
            lines.append({"what": what, "on": letter, "times": count or NONE, "failures": failures})
    return pd.DataFrame(lines)


def tasks(kills: dict) -> list[tuple[str, dict]]:
    """(what was killed, its part of the record) in the order of `KILLED`."""
    return [(what, kills.get(task, {})) for task, what in KILLED.items()]


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
    lines = [
        {"work": what, "on": letter, "had come to": stage, "kills": count}
        for letter, record in having(measured, "kills")
        for what, part in tasks(record["kills"])
        for stage, count in part.get("landed", {}).items()
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
