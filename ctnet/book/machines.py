"""Tables of what was measured on each machine: its speed (`make bench`) and its reliability (`make soak`).

Every function takes the kept records of one kind, `records.kept("bench")` or `records.kept("soak")`. All tables name
the devices by the same letters, which `devices` explains.
"""

from collections.abc import Iterator, Sequence
from string import ascii_uppercase

import numpy as np
import pandas as pd

NONE = "not yet measured"

CALLS = {"inference": "one clip", "throughput": "four clips", "kept": "one clip, memory kept"}  # sections with prices
PRICE = ["on", "call", "precision", "operations", "time", "quartiles", "CT-Net's rate", "TSN's rate", "plain's rate"]

SECTIONS = ("reads", "kills", "fuzz")  # of a soak
KILLED = {"draw": "drawing a data set", "prepare": "preparing a set of videos", "train": "training"}


# Devices, for both kinds of records.


def by_letter(measured: Sequence[dict]) -> Iterator[tuple[str, dict]]:
    """Pair each record with the letter of its device: A, B, ...

    Args:
        measured: Kept records, one per device.

    Returns:
        Pairs of letter and record.
    """
    return zip(ascii_uppercase, measured, strict=False)


def devices(measured: Sequence[dict]) -> pd.DataFrame:
    """List the devices: letter, name, torch version, commit and time of the measurement."""
    lines = []
    for letter, record in by_letter(measured):
        p = record["provenance"]
        line = {"": letter, "device": p["device"], "torch": p["versions"]["torch"]}
        lines.append(line | {"commit": p["commit"], "measured": p["started"]})
    return pd.DataFrame(lines, columns=["", "device", "torch", "commit", "measured"])


# Speed, from the records of `make bench`.


def speeds(measured: Sequence[dict], section: str) -> pd.DataFrame:
    """Show one section of `ctnet bench` on every device.

    Args:
        measured: Kept records of the bench.
        section: "inference", "throughput", "kept", "training" or "loader".

    Returns:
        A row for each device and call: median milliseconds per call, clips/s, how many times as fast as the first
        call of the section, and the quartiles of that ratio over the rounds.
    """
    columns = ["on", "what", "ms a call", "clips/s", "times the first", "quartiles"]
    lines = []
    for letter, record in by_letter(measured):
        for what, r in record.get(section, {}).get("rows", {}).items():
            times = [f"{r['times']:.2f}", f"{r['times_low']:.2f} to {r['times_high']:.2f}"]
            values = [letter, what, f"{1000 * r['seconds']:.1f}", f"{r['clips_per_s']:.1f}", *times]
            lines.append(dict(zip(columns, values, strict=True)))
    return pd.DataFrame(lines, columns=columns)


def prices(measured: Sequence[dict]) -> pd.DataFrame:
    """Compare CT-Net's multiply-adds and time with TSN's, both networks compiled.

    Args:
        measured: Kept records of the bench.

    Returns:
        A row for each device, section of `CALLS` and precision: CT-Net's operations over TSN's; its time over TSN's
        (median and quartiles of the ratio over the rounds); and the multiply-adds per second of CT-Net, TSN and the
        plain network as shares of the rate of a dense 3x3 convolution.
    """
    lines = []
    for letter, record in by_letter(measured):
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


# Reliability, from the records of `make soak`.


def attempts(measured: Sequence[dict]) -> pd.DataFrame:
    """Count what was tried on each device and how often it failed; without records, say `NONE` in each row."""
    lines = []
    for letter, record in by_letter(measured) if measured else [("–", {})]:
        reads, kills, fuzz = (record.get(name, {}) for name in SECTIONS)
        parts = [("random reads of video", reads.get("reads"), reads)]
        parts += [(f"kills of {what}", part.get("kills"), part) for what, part in _kill_tasks(kills)]
        for what, count, part in [*parts, ("damaged files read", fuzz.get("cases"), fuzz)]:
            failures = len(part["failures"]) if count else NONE
            lines.append({"what": what, "on": letter, "times": count or NONE, "failures": failures})
    return pd.DataFrame(lines)


def failures(measured: Sequence[dict]) -> pd.DataFrame:
    """List every failure as it was reported, with its section and device."""
    lines = [
        {"section": name, "on": letter, "failure": line}
        for letter, record in by_letter(measured)
        for name in SECTIONS
        for line in record.get(name, {}).get("failures", ())
    ]
    return pd.DataFrame(lines, columns=["section", "on", "failure"])


def memory(measured: Sequence[dict]) -> pd.DataFrame:
    """Show memory, handles and threads before the reads, halfway and at the end; growth is over the second half."""
    columns = ["on", "reads", "memory (MiB)", "handles", "threads", "growth (KiB a read)", "allowed"]
    lines = []
    for letter, record in _having(measured, "reads"):
        part = record["reads"]
        samples = part["samples"]
        for k, s in enumerate((samples[0], samples[len(samples) // 2], samples[-1])):
            growth = (part["growth_kib"], part["bound_kib"]) if k == 2 else (None, None)
            row = (letter, s["read"], round(s["memory"] / 1024, 1), s["handles"], s["threads"], *growth)
            lines.append(dict(zip(columns, row, strict=True)))
    return pd.DataFrame(lines, columns=columns)


def kill_stages(measured: Sequence[dict]) -> pd.DataFrame:
    """Count the kills by the stage that the killed work had reached."""
    lines = [
        {"work": what, "on": letter, "stage reached": stage, "kills": count}
        for letter, record in _having(measured, "kills")
        for what, part in _kill_tasks(record["kills"])
        for stage, count in part.get("landed", {}).items()
    ]
    return pd.DataFrame(lines, columns=["work", "on", "stage reached", "kills"])


def damaged_files(measured: Sequence[dict]) -> pd.DataFrame:
    """Count the damaged files that were read, by their kind."""
    lines = [
        {"file": kind, "on": letter, "cases": count}
        for letter, record in _having(measured, "fuzz")
        for kind, count in record["fuzz"]["kinds"].items()
    ]
    return pd.DataFrame(lines, columns=["file", "on", "cases"])


def _kill_tasks(kills: dict) -> list[tuple[str, dict]]:
    """Return what was killed and its part of the record, in the order of `KILLED`."""
    return [(what, kills.get(task, {})) for task, what in KILLED.items()]


def _having(measured: Sequence[dict], section: str) -> list[tuple[str, dict]]:
    """Return letter and record of the devices that measured a section."""
    return [(letter, record) for letter, record in by_letter(measured) if section in record]
