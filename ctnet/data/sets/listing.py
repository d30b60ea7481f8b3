"""The value that every reader of a layout returns: a set's classes and its clips, before any video is opened."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

Counts = dict[Path, int | str]  # frames of a video, or one line that says why it cannot be used


class Clip(NamedTuple):
    """One clip of a listing.

    Attributes:
        video: A video file or a folder of images. It may be missing.
        label: Index of its class.
        frames: Number of frames according to the list, or None where the list does not say.
    """

    video: Path
    label: int
    frames: int | None = None


Entry = tuple[str, str, Clip]  # `FILE: line N`, split, clip


@dataclass
class Listing:
    """What a set holds according to its annotation files.

    Attributes:
        classes: Class names in the owners' order; a label is an index into them.
        clips: The clips of each split.
        left_out: For each split, one line per annotation that cannot be used.
        empty: Class folders without a video. They are not classes.
        count: Returns the frames of each video, given the folder that holds all sets and the number of workers.
            None means that the videos are there and are counted by `ctnet.data.sets.scan`.

    Example:
        >>> Listing(("fall", "rise"), {"train": [Clip(Path("/videos/a.mp4"), label=0)]}).clips["train"][0].label
        0
    """

    classes: tuple[str, ...]
    clips: dict[str, list[Clip]]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    count: Callable[[Path, int], Counts] | None = None

    @classmethod
    def of(cls, classes: Sequence[str], entries: Iterable[Entry], splits: Iterable[str] = ()) -> "Listing":
        """Build a listing from annotation entries; a video counts only where it is listed first.

        Listed twice in one split, a video would count double. Listed in two splits, it would be trained and tested on.

        Args:
            classes: Class names in the owners' order.
            entries: Triples of `FILE: line N`, split and clip.
            splits: Splits that the listing has even if no entry names them.
        """
        listing = cls(tuple(classes), {split: [] for split in splits})
        first: dict[Path, str] = {}
        for where, split, clip in entries:
            if clip.video in first:
                line = f"{clip.video}: listed twice ({where}, and {first[clip.video]})"
                listing.left_out.setdefault(split, []).append(line)
            else:
                first[clip.video] = where
                listing.clips.setdefault(split, []).append(clip)
        return listing


def order_of(classes: Sequence[str]) -> str:
    """Return a hash of the class names in their order, ignoring upper and lower case."""
    return sha256(json.dumps([name.lower() for name in classes]).encode()).hexdigest()
