"""Any text in an annotation file gives a listing of paths inside the source folder, or a one-line DataError."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctnet.data.sets import READERS, lists
from ctnet.data.sets.grid import corpus, packed
from ctnet.errors import DataError

# characters and words of the real files, so that some lines are almost right
WORDS = ["a", "b/a", "../x", "/etc", "..", "7", "1", "0", "-1", "9" * 40, "sil", "a.avi", "label", "youtube_id", "id"]
WORDS += ["time_start", "time_end", "video", "split", "word", "start_frame", "end_frame", "video_frames", "train", "É"]
WORDS += ['"', "[", "]", "{", "}", ":", ",", ";", " ", "  ", "\n", "\r\n", "\t", "\0", "\x0c", "\ufeff", "\u2028", "²"]
TEXT = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=25).map("".join)
NEARLY = st.lists(
    st.tuples(st.sampled_from(["a", "b c", "a/b.avi", "../x", "/a"]), *[st.sampled_from("019x")] * 2), max_size=5
).map(lambda rows: "\n".join(" ".join(row) for row in rows))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "[a]", "0", "1", "..", "a\n"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "template", "a", "b"]), inner, max_size=3)
    ),
    max_leaves=8,
).map(json.dumps)

FILES = {
    "something_v1": [f"something-something-v1-{kind}.csv" for kind in ("labels", "train", "validation")],
    "something_v2": ["labels.json", "train.json", "validation.json"],
    "kinetics400": ["train.csv", "val.csv"],
    "mini_kinetics": ["train.csv", "val.csv", "train_ytid_list.txt", "val_ytid_list.txt"],
    "ucf101": [f"ucfTrainTestlist/{kind}.txt" for kind in ("classInd", "trainlist01", "testlist01")],
    "hmdb51": [f"testTrainMulti_7030_splits/{name}_test_split1.txt" for name in "ab"],
    "packed": ["words.csv"],
    "corpus": ["s1/a.align"],
    "lists": ["train.txt", "val.txt", "category.txt"],
}
FOLDERS = ["20bn-something-something-v1", "20bn-something-something-v2", "UCF-101", "videos"]


def read(name, source):
    """Read the source as the set `name` and return its clips by split."""
    if name in ("packed", "corpus"):
        return {"all": (packed if name == "packed" else corpus)(source)[1]}
    if name == "lists":
        return lists.from_lists(source, [source / "train.txt", source / "val.txt"]).clips
    listing = READERS[name](source)
    assert all(0 <= clip.label < len(listing.classes) for clips in listing.clips.values() for clip in clips)
    return listing.clips


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_any_text_gives_listing_or_one_line_error(name, data, tmp_path_factory):
    source = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    for folder in FOLDERS:
        (source / folder).mkdir(parents=True, exist_ok=True)
    for file in FILES[name]:
        (source / file).parent.mkdir(exist_ok=True)
        text = data.draw(JSON | TEXT if file.endswith("json") else NEARLY | TEXT)
        (source / file).write_bytes(data.draw(st.just(text.encode()) | st.binary(max_size=8)))
    (source / "s1" if name == "corpus" else source).joinpath("a.mpg").touch()
    try:
        clips = read(name, source)
    except DataError as error:
        assert str(source) in str(error) and "\n" not in str(error)
    else:
        assert all(clip.video.is_relative_to(source) for some in clips.values() for clip in some)
