"""UCF101 (Soomro et al., 2012): class folders of avi files, and three splits.

UCF-101/<Class>/v_<Class>_g01_c01.avi
ucfTrainTestlist/classInd.txt           1 ApplyEyeMakeup
ucfTrainTestlist/trainlist01.txt        ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
ucfTrainTestlist/testlist01.txt         ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi
"""

from collections.abc import Iterator
from pathlib import Path

from ctnet.data.sets.listing import Clip, Listing, find, inside, label_of, lines_of, number, once
from ctnet.errors import DataError


def ucf101(source: Path, split: int) -> Listing:
    """Class order: classInd.txt, whose numbers start at 1. A class is known by its folder, whatever its capitals."""
    home, lists = find(source, "UCF-101"), find(source, "ucfTrainTestlist")
    classes = []
    for where, line in lines_of(find(lists, "classInd.txt")):
        index, _, name = line.partition(" ")
        classes.append(name.strip())
        if not classes[-1] or number(index, "the number of a class", where) != len(classes):
            raise DataError(f"{where}: needs to be '{len(classes)} CLASS', not '{line[:100]}'")
    labels = {name.lower(): k for k, name in enumerate(classes)}

    def rows() -> Iterator[tuple[str, str, Clip]]:
        for ours in ("train", "test"):
            for where, line in lines_of(find(lists, f"{ours}list{split:02d}.txt")):
                name, _, index = line.partition(" ")
                video = inside(home, name, where)
                label = label_of(video.parent.name.lower(), labels, where)
                if index and number(index, "the number of a class", where) != label + 1:
                    raise DataError(f"{where}: class {index} is not {video.parent.name} in classInd.txt")
                yield where, ours, Clip(video, label)

    return Listing(tuple(classes), *once(rows()))
