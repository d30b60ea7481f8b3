"""UCF101 (Soomro et al., 2012): class folders of avi files, and three splits.

UCF-101/<Class>/v_<Class>_g01_c01.avi
ucfTrainTestlist/classInd.txt           1 ApplyEyeMakeup
ucfTrainTestlist/trainlist01.txt        ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
ucfTrainTestlist/testlist01.txt         ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ctnet.data.sets.annotations import label_of, malformed, read_lines, whole_number
from ctnet.data.sets.files import find, inside
from ctnet.data.sets.listing import Clip, Entry, Listing
from ctnet.errors import DataError


def read(source: Path, split: int) -> Listing:
    """Read one of the three splits. Classes are in the order of classInd.txt, whose numbers start at 1.

    A video's class is the name of its folder; upper and lower case count as the same.
    """
    home, lists = find(source, "UCF-101"), find(source, "ucfTrainTestlist")
    classes = []
    for where, line in read_lines(find(lists, "classInd.txt")):
        index, _, name = line.partition(" ")
        classes.append(name.strip())
        if not classes[-1] or whole_number(index, "the number of a class", where) != len(classes):
            raise malformed(where, f"'{len(classes)} CLASS'", line)
    labels = {name.lower(): k for k, name in enumerate(classes)}

    def entries() -> Iterator[Entry]:
        for side in ("train", "test"):
            for where, line in read_lines(find(lists, f"{side}list{split:02d}.txt")):
                name, _, index = line.partition(" ")
                video = inside(home, name, where)
                label = label_of(video.parent.name.lower(), labels, where)
                if index and whole_number(index, "the number of a class", where) != label + 1:
                    raise DataError(f"{where}: class {index} is not {video.parent.name} in classInd.txt")
                yield where, side, Clip(video, label)

    return Listing.of(classes, entries())


READERS = {name: partial(read, split=k) for k, name in enumerate(("ucf101", "ucf101_2", "ucf101_3"), 1)}
ORDERS = dict.fromkeys(READERS, "4084b456744cd9eb5bdb4e3a0d6c43c3644fdfbac7c2e4882f29ac2543894e2e")
