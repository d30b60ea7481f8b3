"""Times of several calls that are measured in turns (A B C, A B C, ...): a slow phase of the machine hits them all."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median, quantiles

import torch


def device() -> torch.device:
    """Return the device of all measurements: the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def interleave(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each call once per round.

    An untimed call comes right before each timed one, as in steady use. Without it the caches that calls share, such
    as oneDNN's cache of kernels, would have dropped most of the kernels of the network with the most layers.

    Args:
        calls: The calls by name.
        rounds: Number of rounds.

    Returns:
        Seconds of each call in each round; on a GPU measured between CUDA events.
    """
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            seconds[name].append(_on_gpu(call) if torch.cuda.is_available() else _on_cpu(call))
    return seconds


def _on_cpu(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _on_gpu(call: Callable[[], object], repeat: int = 5) -> float:
    """Return the mean seconds of `repeat` calls on the GPU."""
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
    """Run a block with `number` threads of PyTorch and restore the old number, so sections do not affect each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def summary(seconds: dict[str, list[float]], base: str, clips: int = 1) -> dict[str, dict[str, float]]:
    """Summarise the times of each call and compare it with one of them.

    Args:
        seconds: What `interleave` returned.
        base: Name of the call to compare with.
        clips: Number of clips in each call.

    Returns:
        For each call: median `seconds`; `clips_per_s`; `times`, how many times as fast as `base` it is by the medians;
        `times_low` and `times_high`, the quartiles of that ratio over the rounds.
    """
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
    """Format the rows of `summary` as text; with a GMAC/s column if all rows have `gmacs_per_s`."""
    wide = max(map(len, rows))
    with_rates = all("gmacs_per_s" in r for r in rows.values())
    lines = [title, f"  {'':{wide}}  ms/call  clips/s  {'GMAC/s  ' * with_rates}times {base} (quartiles)"]
    for name, r in rows.items():
        rate = f"{r['gmacs_per_s']:6.0f}  " if with_rates else ""
        spread = f"{r['times']:.2f} ({r['times_low']:.2f}-{r['times_high']:.2f})"
        lines.append(f"  {name:{wide}}  {r['seconds'] * 1e3:7.1f}  {r['clips_per_s']:7.1f}  {rate}{spread}")
    return "\n".join(lines)
