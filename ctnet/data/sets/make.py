"""From a listing to a data set: count the frames, write manifests, dataset.json and report.txt, all or nothing."""

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ctnet import console
from ctnet.data.sets.listing import Listing
from ctnet.data.sets.scan import scan
from ctnet.data.video import cut_off
from ctnet.data.writing import Row, replaceable, write_set
from ctnet.errors import DataError

Counts = dict[Path, int | str]  # frames of a video, or one line on why it cannot be used


def make(
    listing: Listing,
    folder: Path,
    workers: int,
    order: str | None = None,
    count: Callable[[Sequence[Path]], Counts] | None = None,
    source: Path | None = None,
) -> Path:
    """Writes the set and returns its folder; source: that of the videos, kept in dataset.json.

    A video that is absent, broken or shorter than its list or its header says is told in report.txt, by name; the set
    is made of what can be read. DataError where nothing is left of a split. A call that was killed is taken up where it
    stopped, and two calls at once wait for each other. A set of another source that is replaced is told on standard
    error. order: what is known of the owners' classes, as `order_of` gives it.
    """
    from filelock import FileLock

    videos = [clip.video for clips in listing.clips.values() for clip in clips]
    replaceable(folder, {(folder / video).parent for video in videos})
    memory = folder.with_name(f".{folder.name}.scan")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            ours = re.compile(rf"\.{re.escape(folder.name)}-\d+(-old)?\.partial")
            for left in [path for path in folder.parent.iterdir() if ours.fullmatch(path.name)]:
                if left.name.endswith("-old.partial") and not folder.exists():  # killed while it was being replaced
                    left.rename(folder)
                else:
                    shutil.rmtree(left)
            counts = count(videos) if count else scan(videos, memory, workers)
            before, written = source_of(folder), write(listing, folder, counts, order, source)
            memory.unlink(missing_ok=True)
            if before and source and os.path.realpath(before) != os.path.realpath(source):
                console.note(f"{folder}: was made of {before}, and is now of {source}; two names would keep both")
            return written
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or set CTNET_DATA"
        ) from error


def source_of(folder: Path) -> str | None:
    """The folder that a set was made of, if it is there and says it."""
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((folder / "dataset.json").read_text()).get("source")
    return None


def write(listing: Listing, folder: Path, counts: Counts, order: str | None, source: Path | None) -> Path:
    """The set of what has frames; the rest goes into its report."""
    splits = dict.fromkeys([*listing.clips, *listing.wrong])  # one of which no clip is left is told too
    if not splits:
        raise DataError(f"{folder.name}: its lists name no video")
    rows: dict[str, list[Row]] = {split: [] for split in splits}
    left_out = {split: list(listing.wrong.get(split, ())) for split in splits}
    short = []
    for split, clips in listing.clips.items():
        for video, label, said in clips:
            found = counts[video]
            if str(video) != (shown := os.fsencode(video).decode(errors="replace")):  # a manifest cannot hold it
                found = f"{shown}: a name that is not in UTF-8; rename it"
            if isinstance(found, str):
                left_out[split].append(found)
                continue
            if said and found < said:
                short.append(f"{video}: {found} frames, its list says {said}")
            elif (declared := cut_off(folder / video) or 0) > found:
                short.append(f"{video}: ends early: {found} of {declared} frames")
            rows[split].append((video, label, 0, min(found, said or found)))
    listed = {split: len(rows[split]) + len(left_out[split]) for split in rows}
    for split in rows:
        if not rows[split]:
            first = f"; the first: {left_out[split][0]}" if left_out[split] else ""
            raise DataError(f"{folder.name}: none of the {listed[split]} videos of its {split} split is there{first}")
    lines = [f"{split}: {len(rows[split])} found of {listed[split]} listed" for split in rows]
    lines.append(f"classes: {len(listing.classes)}")
    if order:
        lines[-1] += ", in the owners' order" if order_of(listing.classes) == order else ", not all of the owners'"
    if listing.empty:
        lines.append(f"no class, as no video is in it: {few(listing.empty)}")
    lacking = {split: lacks(listing.classes, rows[split]) for split in rows}
    lines += [f"classes without a clip in {split}: {few(names)}" for split, names in lacking.items() if names]
    lines += [""] + [f"no class, as no video is in it: {name}" for name in listing.empty]
    lines += [f"no clip in {split}: the class {name}" for split in rows for name in lacking[split]]
    lines += [f"left out of {split}: {line}" for split in rows for line in left_out[split]]
    lines += [f"kept, but short: {line}" for line in short]
    facts = {"source": str(source)} if source else {}
    report = "\n".join(lines).encode(errors="replace").decode()  # a class's name may not be in UTF-8
    return write_set(folder, listing.classes, rows, report=report, listed=listed, **facts)


def lacks(classes: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The classes of which no clip is among the rows."""
    held = {label for _, label, *_ in rows}
    return [name for k, name in enumerate(classes) if k not in held]


def few(names: Sequence[str]) -> str:
    """`3 (a, b, c)`, of more than five the first."""
    return f"{len(names)} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"


def order_of(classes: Sequence[str]) -> str:
    """A hash of the names in their order, capitals left aside."""
    return sha256(json.dumps([name.lower() for name in classes]).encode()).hexdigest()
