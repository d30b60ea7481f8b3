"""Anybody's own videos: one folder for each class.

<class>/<video>        or        {train,val,test}/<class>/<video>        a video being a file, or a folder of images
"""

import os
from hashlib import md5
from pathlib import Path

from ctnet.data.sets.listing import Clip, Listing, is_video, needs_folder
from ctnet.errors import DataError


def folders(source: Path, test_share: float = 0.2) -> Listing:
    """Class order: sorted. A folder is a class if there is a video in it, in any split.

    Without given splits a video's name decides which it falls into, so that it stays there when others are
    added. <source>/val is the test split where there is no <source>/test.
    """
    needs_folder(source, "; --source is the folder that holds one folder for each class")
    given = [split for split in ("train", "val", "test") if (source / split).is_dir()]
    homes = {split: source / split for split in given} or {"": source}
    if "val" in given and "test" not in given:
        homes["test"] = homes.pop("val")
    names = sorted({p.name for home in homes.values() for p in below(home)})
    if not names:
        raise DataError(f"{source}: no folders of videos in it; needed: one folder for each class")
    roots = [(split, home) for split, root in homes.items() for home in below(root)]
    videos = [(split, video) for split, home in roots for video in sorted(filter(is_video, home.iterdir()))]
    filled = {video.parent.name for _, video in videos}
    classes = [name for name in names if name in filled]
    clips: dict[str, list[Clip]] = {split: [] for split in (homes if given else ("train", "test"))}
    for split, video in videos:
        side = split or ("test" if share(video.name) < test_share else "train")
        clips[side].append(Clip(video, classes.index(video.parent.name)))
    found = [split for split in clips if clips[split]]
    if not found:
        raise DataError(f"{source}: no videos in its folders {', '.join(names[:5])}")
    if len(found) < len(clips) and not given:
        raise DataError(
            f"{source}: by their names all its {len(clips[found[0]])} videos would be in one split, '{found[0]}'; "
            "make folders train/ and test/ in it, with one folder for each class in both"
        )
    return Listing(tuple(classes), clips, empty=[name for name in names if name not in filled])


def below(home: Path) -> list[Path]:
    return sorted(p for p in home.iterdir() if p.is_dir() and not p.name.startswith("."))


def share(name: str) -> float:
    """A number in [0, 1) that follows from the name."""
    return int(md5(os.fsencode(name)).hexdigest()[:8], 16) / 16**8
