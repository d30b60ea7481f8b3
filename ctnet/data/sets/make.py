"""From a listing to a data set: count the frames, then write manifests, dataset.json and report.txt, all or nothing."""

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from ctnet import console
from ctnet.data.sets.listing import Counts, Listing
from ctnet.data.sets.report import report
from ctnet.data.sets.scan import scan
from ctnet.data.video import cut_off
from ctnet.data.writing import Row, replaceable, write_set
from ctnet.errors import DataError


def make(listing: Listing, folder: Path, workers: int, order: str | None = None, source: Path | None = None) -> Path:
    """Make the set of all videos of a listing that can be read.

    A video that is missing, broken or shorter than its list or its header says is named in report.txt. A killed call
    resumes when it is run again. Two calls at once wait for each other. If the set that is replaced
    was made from another source, a note says so on standard error.

    Args:
        listing: What the annotation files say.
        folder: Where the set is written.
        workers: How many processes count frames.
        order: `order_of` the owners' class list, if it is known; the report then says whether the set's is the same.
        source: The folder of the videos, which dataset.json keeps.

    Returns:
        `folder`.

    Raises:
        DataError: A split has no usable video, or the folder cannot be written.
    """
    from filelock import FileLock

    videos = [clip.video for clips in listing.clips.values() for clip in clips]
    replaceable(folder, {(folder / video).parent for video in videos})
    memory = folder.with_name(f".{folder.name}.scan")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            _clean_up(folder)
            counts = listing.count(folder.parent, workers) if listing.count else scan(videos, memory, workers)
            before, written = source_of(folder), _write(listing, folder, counts, order, source)
            memory.unlink(missing_ok=True)
            if before and source and os.path.realpath(before) != os.path.realpath(source):
                console.note(f"{folder}: was made of {before}, and is now of {source}; use two names to keep both")
            return written
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); free space or set CTNET_DATA"
        ) from error


def source_of(folder: Path) -> str | None:
    """Return the folder that a set was made from, or None if there is no set or it does not say."""
    with suppress(OSError, ValueError, AttributeError):
        return json.loads((folder / "dataset.json").read_text()).get("source")
    return None


def _clean_up(folder: Path) -> None:
    """Remove what killed calls left beside `folder`, and restore a set that was being replaced."""
    ours = re.compile(rf"\.{re.escape(folder.name)}-\d+(-old)?\.partial")
    for left in [path for path in folder.parent.iterdir() if ours.fullmatch(path.name)]:
        if left.name.endswith("-old.partial") and not folder.exists():
            left.rename(folder)
        else:
            shutil.rmtree(left)


def _write(listing: Listing, folder: Path, counts: Counts, order: str | None, source: Path | None) -> Path:
    """Write the set of the clips that have frames, and the report on the others."""
    splits = dict.fromkeys([*listing.clips, *listing.left_out])  # a split whose entries are all left out is one too
    if not splits:
        raise DataError(f"{folder.name}: its lists name no video")
    rows: dict[str, list[Row]] = {split: [] for split in splits}
    left_out = {split: list(listing.left_out.get(split, ())) for split in splits}
    short = []
    for split, clips in listing.clips.items():
        for video, label, listed in clips:
            found = counts[video]
            if str(video) != (shown := os.fsencode(video).decode(errors="replace")):  # a manifest is in UTF-8
                found = f"{shown}: a name that is not in UTF-8; rename it"
            if isinstance(found, str):
                left_out[split].append(found)
                continue
            if listed and found < listed:
                short.append(f"{video}: {found} frames, its list says {listed}")
            elif (declared := cut_off(folder / video) or 0) > found:
                short.append(f"{video}: ends early: {found} of {declared} frames")
            rows[split].append((video, label, 0, min(found, listed or found)))
    totals = {split: len(rows[split]) + len(left_out[split]) for split in rows}
    for split in rows:
        if not rows[split]:
            first = f"; the first: {left_out[split][0]}" if left_out[split] else ""
            raise DataError(f"{folder.name}: 0 of {totals[split]} videos of its {split} split can be used{first}")
    facts = {"source": str(source)} if source else {}
    text = report(listing, rows, left_out, short, order)
    return write_set(folder, listing.classes, rows, report=text, listed=totals, **facts)
