"""report.txt of a prepared set: what was found, and what was left out and why."""

from collections.abc import Mapping, Sequence

from ctnet.data.sets.listing import Listing, order_of
from ctnet.data.writing import Row


def report(
    listing: Listing,
    rows: Mapping[str, Sequence[Row]],
    left_out: Mapping[str, Sequence[str]],
    short: Sequence[str],
    order: str | None,
) -> str:
    """Write the report: a summary, a blank line, and one line for each class or video that something is wrong with.

    Args:
        listing: What the annotation files say.
        rows: For each split, the manifest rows of the clips that can be used.
        left_out: For each split, one line per entry that cannot be used.
        short: One line per video that has fewer frames than its list or its header says.
        order: `order_of` the owners' class list, if it is known.
    """
    lines = [f"{split}: {len(rows[split])} found of {len(rows[split]) + len(left_out[split])} listed" for split in rows]
    lines.append(f"classes: {len(listing.classes)}")
    if order:
        lines[-1] += ", in the owners' order" if order_of(listing.classes) == order else ", fewer than the owners list"
    if listing.empty:
        lines.append(f"folders without a video, not used as classes: {_few(listing.empty)}")
    missing = {split: _without_clips(listing.classes, rows[split]) for split in rows}
    lines += [f"classes without a clip in {split}: {_few(names)}" for split, names in missing.items() if names]
    lines += [""] + [f"folder without a video, which is no class: {name}" for name in listing.empty]
    lines += [f"class without a clip in {split}: {name}" for split in rows for name in missing[split]]
    lines += [f"left out of {split}: {line}" for split in rows for line in left_out[split]]
    lines += [f"kept, but short: {line}" for line in short]
    return "\n".join(lines).encode(errors="replace").decode()  # a class name may not be valid UTF-8


def _without_clips(classes: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return the classes without a row."""
    labels = {label for _, label, *_ in rows}
    return [name for k, name in enumerate(classes) if k not in labels]


def _few(names: Sequence[str]) -> str:
    """Return the count and the first five names: `3 (a, b, c)`."""
    return f"{len(names)} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
