"""Times of rival calls, taken in turns (A B C, A B C, ..), so that a machine that slows down slows them all."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles

import torch


def interleave(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round; on a GPU between CUDA events.

    Right before each timed call comes an untimed one of the same rival, as in use: else what rivals share, such as
    oneDNN's cache of kernels, has forgotten most of the one with the most layers.
    """
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            seconds[name].append(on_gpu(call) if torch.cuda.is_available() else on_cpu(call))
    return seconds


def on_cpu(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def on_gpu(call: Callable[[], object], repeat: int = 5) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(repeat):
        call()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / repeat


@contextmanager
def threads(number: int) -> Iterator[None]:
    """torch with so many threads, then as many as before: no section changes what the next one measures."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def summary(seconds: dict[str, list[float]], base: str, clips: int = 1) -> dict[str, dict[str, float]]:
    """For each call: median seconds and clips/s, `times` = how many times as fast as `base` by the medians, and the
    quartiles of that ratio over the rounds."""
    rows = {}
    for name, taken in seconds.items():
        ratios = [b / t for b, t in zip(seconds[base], taken, strict=True)]
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        rows[name] = {
            "seconds": median(taken),
            "clips_per_s": clips / median(taken),
            "times": median(seconds[base]) / median(taken),
            "times_low": low,
            "times_high": high,
        }
    return rows


def table(title: str, rows: dict[str, dict[str, float]], base: str) -> str:
    wide = max(map(len, rows))
    priced = all("gmacs_per_s" in r for r in rows.values())
    lines = [title, f"  {'':{wide}}  ms/call  clips/s  {'GMAC/s  ' * priced}times {base} (quartiles)"]
    for name, r in rows.items():
        work = f"{r['gmacs_per_s']:6.0f}  " if priced else ""
        spread = f"{r['times']:.2f} ({r['times_low']:.2f}-{r['times_high']:.2f})"
        lines.append(f"  {name:{wide}}  {r['seconds'] * 1e3:7.1f}  {r['clips_per_s']:7.1f}  {work}{spread}")
    return "\n".join(lines)
