"""Tables of what `make soak` tried on each device and what it found; letters are those of `tables.lettered`."""

from collections.abc import Iterator, Sequence
from string import ascii_uppercase

import numpy as np
import pandas as pd


def lettered(measured: Sequence[dict]) -> Iterator[tuple[str, dict]]:
    """(letter, measurement) of each device."""
    return zip(ascii_uppercase, measured, strict=False)


def devices(measured: Sequence[dict]) -> pd.DataFrame:
    """What was measured on, by the letters that the other tables use."""
    lines = []
    for letter, record in lettered(measured):
        p = record["provenance"]
        line = {"": letter, "device": p["device"], "torch": p["versions"]["torch"]}
        lines.append(line | {"commit": p["commit"], "measured": p["started"]})
    return pd.DataFrame(lines, columns=["", "device", "torch", "commit", "measured"])


def speeds(measured: Sequence[dict], section: str) -> pd.DataFrame:
    """One section of `ctnet bench` on every device: median time, clips/s, and how many times as fast as the first."""
    columns = ["on", "what", "ms a call", "clips/s", "times the first", "quartiles"]
    lines = []
    for letter, record in lettered(measured):
        for what, r in record.get(section, {}).get("rows", {}).items():
            times = [f"{r['times']:.2f}", f"{r['times_low']:.2f} to {r['times_high']:.2f}"]
            values = [letter, what, f"{1000 * r['seconds']:.1f}", f"{r['clips_per_s']:.1f}", *times]
            lines.append(dict(zip(columns, values, strict=True)))
    return pd.DataFrame(lines, columns=columns)


CALLS = {"inference": "one clip", "throughput": "four clips", "kept": "one clip, memory kept"}
PRICE = ["on", "call", "precision", "operations", "time", "quartiles", "CT-Net's rate", "TSN's rate", "plain's rate"]


def prices(measured: Sequence[dict]) -> pd.DataFrame:
    """What CT-Net's fewer operations are worth: its operations and its time over TSN's, both compiled; the median of
    the rounds' ratios. Rates are multiply-adds a second, as shares of those of a dense 3x3 convolution."""
    lines = []
    for letter, record in lettered(measured):
        for section, call in CALLS.items():
            part = record.get(section, {})
            for precision, dense in part.get("dense", {}).items():
                names = [f"{who} {precision}" for who in ("ctnet compiled", "tsn compiled", "plain")]
                ct, tsn, _ = rows = [part["rows"][name] for name in names]
                operations = ct["gmacs_per_s"] * ct["seconds"] / (tsn["gmacs_per_s"] * tsn["seconds"])
                times = [a / b for a, b in zip(*(part["seconds"][name] for name in names[:2]), strict=True)]
                low, middle, high = np.percentile(times, (25, 50, 75))
                shares = [f"{r['gmacs_per_s'] / dense:.0%}" for r in rows]
                price = [f"{operations:.2f}", f"{middle:.2f}", f"{low:.2f} to {high:.2f}"]
                lines.append((letter, call, precision, *price, *shares))
    return pd.DataFrame(lines, columns=PRICE)


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
