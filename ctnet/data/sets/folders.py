"""Anybody's own videos: one folder for each class.

<class>/<video>        or        {train,val,test}/<class>/<video>        a video being a file, or a folder of images
"""

import os
from hashlib import md5
from pathlib import Path

from ctnet.data.sets.listing import Clip, Listing, is_video
from ctnet.errors import DataError


def folders(source: Path, test_share: float = 0.2) -> Listing:
    """Class order: sorted.

    Without given splits a video's name decides which it falls into, so that it stays there when others are
    added. <source>/val is the test split where there is no <source>/test.
    """
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; --source is the folder that holds one folder for each class")
    given = [split for split in ("train", "val", "test") if (source / split).is_dir()]
    homes = {split: source / split for split in given} or {"": source}
    if "val" in given and "test" not in given:
        homes["test"] = homes.pop("val")
    classes = sorted({p.name for home in homes.values() for p in below(home)})
    if not classes:
        raise DataError(f"{source}: no folders of videos in it; needed: one folder for each class")
    clips: dict[str, list[Clip]] = {split: [] for split in (homes if given else ("train", "test"))}
    for split, root in homes.items():
        for home in below(root):
            for video in sorted(filter(is_video, home.iterdir())):
                side = split or ("test" if share(video.name) < test_share else "train")
                clips[side].append(Clip(video, classes.index(home.name)))
    found = [split for split in clips if clips[split]]
    if not found:
        raise DataError(f"{source}: no videos in its folders {', '.join(classes[:5])}")
    if len(found) < len(clips) and not given:
        raise DataError(
            f"{source}: by their names all its {len(clips[found[0]])} videos would be in one split, '{found[0]}'; "
            "make folders train/ and test/ in it, with one folder for each class in both"
        )
    return Listing(tuple(classes), clips)


def below(home: Path) -> list[Path]:
    return sorted(p for p in home.iterdir() if p.is_dir() and not p.name.startswith("."))


def share(name: str) -> float:
    """A number in [0, 1) that follows from the name."""
    return int(md5(os.fsencode(name)).hexdigest()[:8], 16) / 16**8
