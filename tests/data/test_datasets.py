"""Data sets, manifests and batches: what is read, in which order, and how invalid files are reported."""

import json
import os
import signal

import numpy as np
import pytest
import torch

import ctnet
from ctnet import distributed
from ctnet.data import loading
from ctnet.data.dataset import Unreadable, VideoDataset
from ctnet.data.loading import Batch, loader, stack
from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.video import read_frames, write_video
from ctnet.errors import ConfigError, DataError, VideoError
from ctnet.inference import evaluate
from ctnet.protocol import Protocol
from ctnet.training import train
from tests.support.toy import PLAIN, RECIPE

OWN = {"name": "own", "classes": ["left", "right"], "splits": {"train": 3, "val": 1}}
ROWS = ["path,label,start,frames", "a.avi,0,0,10", "b.avi,1,2,6", "a.avi,1,5,5"]


def numbered(frame, height=20, width=28):
    """A frame whose brightness is its number."""
    return np.full((height, width, 3), 8 * frame, np.uint8)


@pytest.fixture
def own(tmp_path):
    """A set without tiers or label maps, whose frames show their number."""
    (tmp_path / "dataset.json").write_text(json.dumps(OWN))
    (tmp_path / "train.csv").write_text("\n".join(ROWS))
    (tmp_path / "val.csv").write_text("\n".join(ROWS[:2]))
    for name in ("a.avi", "b.avi"):
        write_video(tmp_path / name, np.stack([numbered(t) for t in range(10)]))
    return tmp_path


def shown(clip):
    """The frame numbers that a clip (..., C, T, H, W) shows."""
    return (clip.double().mean((-4, -2, -1)) / 8).round().int().tolist()


def same(a, b):
    """Whether two lists of batches are equal."""
    return len(a) == len(b) and all(
        torch.equal(x.clips, y.clips) and torch.equal(x.labels, y.labels) and torch.equal(x.indices, y.indices)
        for x, y in zip(a, b, strict=True)
    )


def test_training_item_is_one_clip_with_label_and_index(tiny):
    data = VideoDataset(tiny, "train", frames=4, size=16, train=True, scales=(1.0, 0.75))
    clip, label, index = data[7]
    assert clip.shape == (3, 4, 16, 16) and clip.dtype == torch.uint8 and (label, index) == (7, 7)
    assert len(data) == 44 and data.info.tiers[0] == "strict"


def test_test_item_holds_all_crops_of_each_clip_in_turn(own):
    data = VideoDataset(own, "val", frames=4, size=20, train=False, clips=2, crops=3)
    clip, label, index = data[0]
    assert clip.shape == (6, 3, 4, 20, 20) and (label, index) == (0, 0)
    assert shown(clip) == [[1, 3, 6, 8]] * 3 + [[0, 2, 5, 7]] * 3
    assert torch.equal(clip, data[0][0])


def test_clip_starts_at_the_frame_in_the_manifest(own):
    data = VideoDataset(own, "train", frames=6, size=20, train=True)
    assert shown(data[1][0]) == [2, 3, 4, 5, 6, 7]
    data.set_epoch(3)
    assert shown(VideoDataset(own, "train", 5, 20, True)[2][0]) == [5, 6, 7, 8, 9]


def test_clips_depend_on_seed_epoch_and_index_only(tiny):
    data = VideoDataset(tiny, "train", 3, 16, True, scales=(1.0, 0.75))
    first = [data[i][0] for i in range(20)]
    [data[i] for i in range(20)]
    assert all(torch.equal(a, data[i][0]) for i, a in enumerate(first))
    data.set_epoch(1)
    assert not all(torch.equal(a, data[i][0]) for i, a in enumerate(first))
    data.set_epoch(0)
    assert all(torch.equal(a, data[i][0]) for i, a in enumerate(first))
    other = VideoDataset(tiny, "train", 3, 16, True, scales=(1.0, 0.75), seed=1)
    assert not all(torch.equal(a, other[i][0]) for i, a in enumerate(first))


def test_flip_maps_the_label(tiny):
    data = VideoDataset(tiny, "train", 6, 24, True, flip=True)
    plain = VideoDataset(tiny, "train", 6, 24, True)
    flipped = 0
    for index in range(44):
        (clip, label, _), (kept, own_label, _) = data[index], plain[index]
        if torch.equal(clip, kept.flip(-1)):
            assert label == data.info.flip[own_label]
            flipped += 1
        else:
            assert torch.equal(clip, kept) and label == own_label
    assert 10 < flipped < 34


def test_batches_do_not_depend_on_the_number_of_workers(tiny):
    def passes(workers):
        batches = loader(VideoDataset(tiny, "train", 3, 16, True, scales=(1.0, 0.75), flip=True), 8, workers)
        for epoch in (0, 1, 5):  # the workers persist from epoch to epoch
            batches.batch_sampler.sampler.set_epoch(epoch)
            yield list(batches)

    alone = list(passes(0))
    for workers in (1, 2):
        assert all(same(a, b) for a, b in zip(alone, passes(workers), strict=True))
    assert not same(alone[0], alone[1])
    assert [len(b.labels) for b in alone[0]] == [8] * 5 + [4]
    assert sorted(torch.cat([b.indices for b in alone[1]]).tolist()) == list(range(44))


@pytest.mark.parametrize("end", ["kill", "hang"])
def test_dead_or_hanging_worker_is_reported_in_one_line(tiny, tmp_path, monkeypatch, end):
    def die_or_hang(self, index):
        os.kill(os.getpid(), signal.SIGKILL) if end == "kill" else signal.pause()

    monkeypatch.setattr(VideoDataset, "__getitem__", die_or_hang)
    monkeypatch.setattr(loading, "TIMEOUT", 3)
    net = ctnet.create_model("tsn_resnet50", num_classes=44, num_frames=3, **PLAIN)
    message = f"{tiny}: a process that reads videos was killed, or gave no batch for 3 s; .*fewer --workers"
    with pytest.raises(DataError, match=message):
        train(net, VideoDataset(tiny, "train", 3, 32, True), RECIPE, tmp_path, workers=1, progress=False)
    with pytest.raises(DataError, match=message):
        evaluate.score(net, VideoDataset(tiny, "test", 3, 32, False), Protocol(3, size=32), workers=1)


def test_other_errors_inside_a_loop_are_not_changed(tiny):
    with pytest.raises(RuntimeError, match="^Caught"), loading.reading(VideoDataset(tiny, "train", 3, 16, True)):
        raise RuntimeError("Caught RuntimeError in DataLoader worker process 0")


def test_resumed_epoch_has_the_same_batches(tiny):
    batches = loader(VideoDataset(tiny, "train", 3, 16, True), 8)
    for epoch in range(3):
        batches.batch_sampler.sampler.set_epoch(epoch)
        full = list(batches)
    fresh = loader(VideoDataset(tiny, "train", 3, 16, True), 8)
    fresh.batch_sampler.sampler.set_epoch(2)
    assert same(full, list(fresh))


def test_loader_keeps_the_order_in_testing_and_can_drop_the_last_batch(tiny):
    batches = loader(VideoDataset(tiny, "test", 3, 16, False, crops=3), 10)
    assert torch.cat([b.indices for b in batches]).tolist() == list(range(44))
    assert next(iter(batches)).clips.shape == (10, 3, 3, 3, 16, 16)
    assert len(loader(VideoDataset(tiny, "train", 3, 16, True), 10, drop_last=True)) == 4


def test_batch_is_channels_last_in_memory():
    clips = [torch.randint(256, (3, 4, 5, 6), dtype=torch.uint8) for _ in range(2)]
    batch = stack(clips)
    assert torch.equal(batch, torch.stack(clips))
    assert batch.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("train", [True, False])
def test_ranks_split_each_batch_without_overlap(tiny, monkeypatch, train):
    """44 clips, 4 ranks. In batches of 9 the last one has 8 clips; in batches of 14 it has 2, so two ranks get none."""
    data = VideoDataset(tiny, "train" if train else "test", 3, 16, train)
    for batch_size in (9, 14):
        batches = loader(data, batch_size).batch_sampler
        batches.sampler.set_epoch(4)
        whole = list(batches)
        assert data.epoch == 4 and sorted(sum(whole, [])) == list(range(44))
        shares = []
        monkeypatch.setattr(distributed, "world_size", lambda: 4)
        for rank in range(4):
            monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
            shares.append(list(batches))
        monkeypatch.undo()
        assert {len(share) for share in shares} == {len(whole)}, "all ranks have the same number of steps"
        for step, batch in zip(zip(*shares, strict=True), whole, strict=True):
            assert sorted(sum(step, [])) == sorted(batch)
            assert max(map(len, step)) - min(map(len, step)) <= 1
        assert [] in [share[-1] for share in shares] or batch_size == 9


def test_broken_video_is_skipped_in_training_and_raises_in_testing(own):
    (own / "a.avi").write_bytes(b"text")
    data = VideoDataset(own, "train", 3, 20, True)
    assert isinstance(data[0], Unreadable) and str(own / "a.avi") in data[0].reason
    (batch,) = loader(data, 8)
    assert isinstance(batch, Batch) and batch.indices.tolist() == [1] and batch.labels.tolist() == [1]
    assert batch.clips.shape == (1, 3, 3, 20, 20)
    assert len(batch.skipped) == 2 and all(str(own / "a.avi") in line for line in batch.skipped)
    (own / "b.avi").unlink()
    (batch,) = loader(data, 8)
    assert batch.clips.shape == (0, 3, 3, 20, 20) and batch.labels.shape == (0,) and len(batch.skipped) == 3
    with pytest.raises(VideoError, match="a.avi"):
        VideoDataset(own, "val", 3, 20, False)[0]


def test_manifest_can_name_a_folder_of_images_by_absolute_path(own, tmp_path_factory):
    from PIL import Image

    elsewhere = tmp_path_factory.mktemp("frames")
    for t in range(4):
        Image.fromarray(numbered(t)).save(elsewhere / f"{t}.png")
    (own / "train.csv").write_text(f"{ROWS[0]}\n{elsewhere},1,0,4\n")
    data = VideoDataset(own, "train", 4, 20, True)
    assert shown(data[0][0]) == [0, 1, 2, 3]
    assert torch.equal(read_frames(data.manifest.path(0), [3])[0], torch.from_numpy(numbered(3)))


def test_flip_map_is_derived_from_class_names_unless_given(own):
    assert DataInfo.read(own).flip == (1, 0)  # classes "left" and "right"
    data = VideoDataset(own, "train", 3, 20, True, flip=True)
    labels = []
    for epoch in range(12):
        data.set_epoch(epoch)
        labels.append(data[0][1])
    assert set(labels) == {0, 1}
    (own / "dataset.json").write_text(json.dumps({**OWN, "classes": ["turn left", "jump"]}))
    assert DataInfo.read(own).flip == (None, 1)
    (own / "dataset.json").write_text(json.dumps({**OWN, "flip": [0, 1]}))
    assert DataInfo.read(own).flip == (0, 1)


def test_crops_are_cut_from_a_larger_short_side(own):
    data = VideoDataset(own, "val", frames=2, size=20, train=False, crops=3, short_side=30)
    clip = data[0][0]
    assert clip.shape == (3, 3, 2, 20, 20) and data.short_side == 30


@pytest.mark.parametrize(
    "rows, message",
    [
        (["path,label,frames", "a.avi,0,4"], r"train.csv: line 1 lacks the column start"),
        ([ROWS[0], "a.avi,2,0,4"], r"train.csv: line 2: label 2 is out of range: .* classes 0 to 1"),
        ([*ROWS, "a.avi,-1,0,4"], r"train.csv: line 5: label -1 is out of range"),
        ([ROWS[0], "a.avi,left,0,4"], r"train.csv: line 2: label, start and frames must be whole numbers"),
        ([ROWS[0], "a.avi,0"], r"train.csv: line 2: label, start and frames must be whole numbers"),
        ([ROWS[0], "a.avi,0,0,0"], r"train.csv: line 2: .* frames at least 1"),
        ([ROWS[0], "a.avi,0,-1,3"], r"train.csv: line 2: start must be at least 0"),
        ([ROWS[0], ",0,0,3"], r"train.csv: line 2: the path is empty"),
        ([ROWS[0]], r"train.csv: no clips in it"),
        ([], r"train.csv: line 1 lacks the column path, label, start, frames"),
    ],
)
def test_invalid_manifest_row_is_reported_with_its_line(own, rows, message):
    (own / "train.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=message):
        VideoDataset(own, "train", 4, 20, True)


@pytest.mark.parametrize(
    "row, message",
    [
        (b"a\xff.avi,0,0,3", "train.csv: not a text file in UTF-8 .byte 25"),
        (b"x" * 200_000 + b",0,0,3", "train.csv: line [12]: field larger"),
        (b"a.avi,0,0," + b"9" * 30, "train.csv: line 2: no video has 9* frames"),
    ],
)
def test_unreadable_manifest_is_reported(own, row, message):
    (own / "train.csv").write_bytes(b"path,label,start,frames\n" + row)
    with pytest.raises(DataError, match=message):
        Manifest.read(own, "train", DataInfo.read(own))


@pytest.mark.parametrize(
    "facts, message",
    [
        ("{", "dataset.json: not JSON"),
        ("[]", "'name' is missing"),
        (json.dumps({**OWN, "classes": []}), "'classes' is missing or empty"),
        ("[" * 99999, "dataset.json: not JSON"),
        (json.dumps({**OWN, "classes": "ab"}), "'classes' must be a list of different texts"),
        (json.dumps({**OWN, "classes": ["a", "a"]}), "'classes' must be a list of different texts"),
        (json.dumps({**OWN, "splits": ["train"]}), "'splits' must be whole numbers by name"),
        (json.dumps({**OWN, "flip": [0, [1]]}), "'flip' must be a list of labels"),
        (json.dumps({**OWN, "reverse": [0, 2]}), "'reverse' must be a list of labels"),
        (json.dumps({**OWN, "tiers": ["strict"]}), "'tiers' has 1 entries for 2 classes"),
    ],
)
def test_invalid_dataset_json_is_reported(own, facts, message):
    (own / "dataset.json").write_text(facts)
    with pytest.raises(DataError, match=message):
        DataInfo.read(own)


def test_missing_set_split_and_manifest_are_reported(own):
    with pytest.raises(DataError, match="dataset.json: no such file; .*python -m ctnet data prepare"):
        VideoDataset(own / "nowhere", "train", 4, 20, True)
    with pytest.raises(ConfigError, match="split 'vla'; did you mean val"):
        VideoDataset(own, "vla", 4, 20, True)
    (own / "val.csv").unlink()
    with pytest.raises(DataError, match="val.csv: no such file"):
        Manifest.read(own, "val", DataInfo.read(own))
    with pytest.raises(DataError, match="a crop of 20 does not fit"):
        VideoDataset(own, "train", 4, 20, True, short_side=16)


@pytest.mark.parametrize("memory", [0, 10**3, 10**9], ids=["not kept", "too little memory", "kept"])
def test_clips_kept_in_memory_are_those_that_are_read(tiny, memory):
    """Also in later epochs, and if not all of the set fits."""
    plain, kept = (VideoDataset(tiny, "train", 4, 16, True, seed=3, memory=m) for m in (0, memory))
    for epoch in range(3):
        for data in (plain, kept):
            data.set_epoch(epoch)
        assert all(torch.equal(plain[i][0], kept[i][0]) for i in range(0, len(plain), 5))


def test_kept_clips_are_read_once(own, monkeypatch):
    from ctnet.data import dataset

    read = []
    monkeypatch.setattr(dataset, "read_frames", lambda path, places: read.append(path) or read_frames(path, places))
    data = VideoDataset(own, "train", 4, 16, True, memory=10**9)
    for epoch in range(2):
        data.set_epoch(epoch)
        assert [max(shown(data[i][0])) < 10 for i in range(3)] == [True] * 3
    assert len(read) == 3
    start, frames = data.manifest.starts[1], data.manifest.frames[1]
    assert min(shown(data[1][0])) >= start and max(shown(data[1][0])) < start + frames, "only the clip's own frames"


def test_conditions_are_read_and_chosen(own):
    (own / "train.csv").write_text(
        "\n".join([f"{ROWS[0]},condition", *(f"{r},{c}" for r, c in zip(ROWS[1:], "xyx", strict=True))])
    )
    manifest = Manifest.read(own, "train", DataInfo.read(own))
    assert manifest.conditions == ("x", "y", "x") and Manifest.read(own, "val", DataInfo.read(own)).conditions is None
    assert list(manifest.only([1]).paths) == ["b.avi", "a.avi"] and manifest.only([1]).conditions == ("y", "x")
    assert list(manifest.only([0, 1], ["x"]).starts) == [0, 5]
