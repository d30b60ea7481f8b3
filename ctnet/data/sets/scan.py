"""How many frames each video of a set has: counted in parallel, and once.

What has been counted is appended to a file beside the set, so that a call that was killed is taken up where it
stopped. Each program (`python -m ctnet.data.sets.scan TODO K N`) counts every N-th video of the file TODO from K and
reports `INDEX` and what `count` says; one that crashes on a broken video is replaced, and the video is told.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ctnet.data import fanout
from ctnet.data.video import count_frames
from ctnet.errors import DataError, VideoError

CRASHES = tuple(-s for s in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL))
SHARE = 200  # videos for which it pays to start one more program


def scan(videos: Sequence[Path], memory: Path, workers: int) -> dict[Path, int | str]:
    """The frames of each video (file or folder of images), or one line on why it has none.

    memory: the file that keeps the counts until the set is made; only counts of files that have not changed since are
    taken from it. OSError where it cannot be written.
    """
    from tqdm import tqdm

    kept = recall(memory)
    counts: dict[Path, int | str] = {video: kept[video] for video in videos if video in kept}
    todo = [video for video in dict.fromkeys(videos) if video not in counts]
    memory.parent.mkdir(parents=True, exist_ok=True)
    waiting = memory.with_suffix(".todo")
    with memory.open("a", encoding="utf-8") as file, tqdm(total=len(todo), desc="count frames", unit="video") as bar:
        file.write("\n")  # ends a line that a kill cut short
        while todo:
            waiting.write_text(json.dumps([str(video) for video in todo]))
            heard: dict[int, int | str] = {}

            def hear(line: str, heard=heard, todo=todo) -> None:
                index, changed, told = line.rstrip("\n").split(" ", 2)
                heard[int(index)] = told if changed == "!" else int(told)
                if changed != "!":
                    file.write(json.dumps([str(todo[int(index)]), int(changed), int(told)]) + "\n")
                    file.flush()
                bar.update()

            count = min(workers, -(-len(todo) // SHARE))
            codes = fanout.run("ctnet.data.sets.scan", [str(waiting)], count, hear)
            for k, code in enumerate(codes):
                fatal = next((i for i in range(k, len(todo), count) if i not in heard), None)
                if code and code not in CRASHES:  # ended from outside, or for want of memory
                    how = f"status {code}" if code > 0 else f"signal {-code}"
                    where = "" if fatal is None else f" at {todo[fatal]}"
                    mend = "the same command goes on; take out a video at which it stops again"
                    raise DataError(f"counting frames stopped{where} ({how}); {mend}")
                if code and fatal is not None:
                    heard[fatal] = f"{todo[fatal]}: reading it takes the program down (signal {-code})"
                    bar.update()
            counts |= {todo[i]: found for i, found in heard.items()}
            todo = [video for i, video in enumerate(todo) if i not in heard]
    waiting.unlink(missing_ok=True)
    return counts


def recall(memory: Path) -> dict[Path, int]:
    """The counts that an earlier call left, of videos that are still as they were then."""
    kept = {}
    for line in memory.read_text(encoding="utf-8").splitlines() if memory.exists() else ():
        try:
            name, changed, frames = json.loads(line)
            if Path(name).stat().st_mtime_ns == changed:
                kept[Path(name)] = frames
        except (ValueError, OSError):  # a line that a kill cut short; a video that is gone
            continue
    return kept


def count(video: Path) -> str:
    """`CHANGED FRAMES`: when the file was changed, and its frames; or `! REASON`, one line on why it has none."""
    try:
        changed = video.stat().st_mtime_ns
        frames = count_frames(video)
        return f"{changed} {frames}" if frames else f"! {video}: no frames in it"
    except FileNotFoundError:
        return f"! {video}: no such file"
    except VideoError as error:
        return f"! {error}"
    except OSError as error:
        return f"! {video}: {error.strerror or error}"


def main(todo: Path, k: int, n: int) -> None:
    videos = json.loads(todo.read_text())
    for index in range(k, len(videos), n):
        fanout.report(f"{index} {count(Path(videos[index]))}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    except BrokenPipeError:  # the caller was killed
        os._exit(1)
