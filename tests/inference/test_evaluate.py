"""Scores under a protocol, and the accuracies computed from them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import ctnet
from ctnet import clips
from ctnet.data.dataset import VideoDataset
from ctnet.errors import ResultError, VideoError
from ctnet.inference import evaluate
from ctnet.inference.evaluate import score, shuffle
from ctnet.inference.scores import Clips, Scores, ensemble, metrics, pair_wins
from ctnet.protocol import Protocol
from tests.support.toy import PLAIN, SMALL, network, write_set

P = Protocol(8, size=32)


class NonLinear(nn.Module):
    """A network of two classes that is not linear: the mean of logits differs from the logits of the mean clip."""

    def __init__(self):
        super().__init__()
        self.clips = []

    def forward(self, x):
        self.clips.append(len(x))
        mean = x.mean((2, 3, 4))
        return torch.stack([mean[:, 0].exp(), mean[:, 1] ** 2], 1)


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("seven"), clips=7, split="test")


@pytest.fixture(scope="module")
def tsn(smoke):
    return ctnet.create_model("tsn_resnet50", num_classes=44, **PLAIN)


@pytest.fixture(scope="module")
def ct_net(smoke):
    torch.manual_seed(1)
    return ctnet.create_model("ctnet_resnet50", num_classes=44, **SMALL)


@pytest.mark.parametrize("batch_size, workers", [(1, 0), (3, 0), (7, 0), (32, 0), (2, 2)])
def test_each_clip_counts_once_with_any_batch_size_and_workers(seven, batch_size, workers):
    p, net = Protocol(4, size=32), NonLinear()
    data = evaluate.test_split(seven, p)
    found = score(net, data, p, batch_size=batch_size, workers=workers)
    one_by_one = [net(clips.normalize(data[i][0]))[0].tolist() for i in range(7)]
    assert found.logits == pytest.approx(np.array(one_by_one), rel=1e-6)
    assert found.labels.tolist() == [0, 1, 0, 1, 0, 1, 0] and sum(net.clips) == 14
    assert max(net.clips) <= batch_size and found.protocol == "4x1x1@32"


def test_views_are_averaged_as_logits(seven):
    p, net = Protocol(2, crops=3, clips=2, size=24), NonLinear()
    data = evaluate.test_split(seven, p)
    found = score(net, data, p, batch_size=12)
    assert set(net.clips[:-1]) == {12}, "the batch size counts views"
    for i in range(7):
        views = torch.stack([net(clips.normalize(view[None]))[0] for view in data[i][0]])
        assert views.std(0).min() > 0, "the views differ"
        assert found.logits[i] == pytest.approx(views.mean(0).numpy(), rel=1e-5)


def test_scoring_uses_no_dropout_and_keeps_the_weights(seven):
    net, p = network(dropout=0.9), Protocol(4, size=32)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()
    first, second = (score(net, evaluate.test_split(seven, p), p).logits for _ in range(2))
    assert np.array_equal(first, second)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_non_finite_logits_are_an_error(seven):
    net, p = network(), Protocol(4, size=32)
    net.fc.bias.data[1] = float("nan")
    with pytest.raises(ResultError, match="logits that are not finite"):
        score(net, evaluate.test_split(seven, p), p)


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_test_video_is_a_one_line_error_that_names_it(seven, tmp_path, workers):
    folder = shutil.copytree(seven, tmp_path / "copy")
    (folder / "test04.avi").write_bytes(b"text")
    with pytest.raises(VideoError) as error:
        score(NonLinear(), evaluate.test_split(folder, P), P, workers=workers)
    message = str(error.value)
    assert message.startswith(f"{folder / 'test04.avi'}: ") and "\n" not in message
    assert message.endswith(f"(a clip of {folder / 'test.csv'}); restore the file, or prepare the set again")


@given(frames=st.integers(3, 24), index=st.integers(0, 10**6))
def test_shuffle_keeps_all_frames_but_not_their_order(frames, index):
    clip = torch.arange(frames).expand(2, 3, frames)[..., None, None]
    order = shuffle(clip, index)[0, 0, :, 0, 0].tolist()
    assert sorted(order) == list(range(frames))
    assert order not in (list(range(frames)), list(range(frames))[::-1])
    assert torch.equal(shuffle(clip, index), clip[:, :, order]), "the order is the same for all views and calls"


def test_shuffle_differs_between_clips_and_takes_two_frames():
    clip = torch.arange(8).view(1, 1, 8, 1, 1)
    assert len({tuple(shuffle(clip, i).flatten().tolist()) for i in range(20)}) > 15
    assert sorted(shuffle(clip[:, :, :2], 0).flatten().tolist()) == [0, 1]


CLIPS = Clips(
    "by hand",
    "test",
    "0123",
    ("open", "close", "fall", "rise", "star"),
    tiers=("strict", "strict", "dynamics", "dynamics", "appearance"),
    reverse=(1, 0, 3, 2, 4),
)
BY_HAND = Scores(
    np.array(
        [
            [9, 1, 0, 0, 0],  # open, correct
            [1, 2, 0, 0, 9],  # close, wrong, but above open
            [3, 3, 9, 0, 0],  # open, wrong, a tie with close
            [9, 1, 0, 0, 0],  # close, wrong, below open
            [0, 0, 9, 1, 0],  # fall, correct
            [0, 0, 9, 1, 0],  # rise, wrong
            [0, 0, 0, 0, 9],  # star, correct
            [9, 0, 0, 0, 1],  # star, wrong
        ],
        dtype=np.float64,
    ),
    np.array([0, 1, 0, 1, 2, 3, 4, 4]),
    "8x1x1@32",
    CLIPS,
)


def test_metrics_of_hand_made_scores():
    assert metrics(BY_HAND) == {
        "clips": 8,
        "top1": 37.5,
        "top5": 100.0,
        "tiers": {"strict": 25.0, "dynamics": 50.0, "appearance": 50.0},
        "pairs": {"strict": 62.5, "dynamics": 50.0},
    }
    assert BY_HAND.predictions.tolist() == [0, 4, 2, 0, 2, 2, 4, 0]
    assert pair_wins(BY_HAND)[:6].tolist() == [1, 1, 0.5, 0, 1, 0]
    assert np.isnan(pair_wins(BY_HAND)[6:]).all(), "without a partner there is no pair"


def test_class_without_a_partner_in_the_set_has_no_pair():
    half = replace(BY_HAND, clips=replace(CLIPS, reverse=(None, None, 3, 2, 4)))
    assert metrics(half)["pairs"] == {"dynamics": 50.0}


def test_metrics_without_tiers_count_the_fifth_place():
    clips = Clips("own", "test", "", tuple("abcdefg"))
    scores = Scores(np.array([[9.0, 8, 7, 6, 5, 4, 3], [9, 8, 7, 6, 5, 4, 3]]), np.array([4, 5]), "8x1x1@32", clips)
    assert metrics(scores) == {"clips": 2, "top1": 0.0, "top5": 50.0}


def test_tsn_is_right_on_exactly_one_clip_of_each_reversed_pair(smoke, tsn):
    data = evaluate.test_split(smoke, P)
    scores = score(tsn, data, P)
    found = metrics(scores)
    assert found["pairs"] == {"strict": 50.0, "state change": 50.0, "dynamics": 50.0}
    wins = pair_wins(scores).reshape(4, 44)[:, :38].reshape(-1, 2)
    assert (wins.sum(1) == 1).all() and set(wins.flatten()) == {0, 1}, "there are no ties"
    twins = scores.logits.reshape(4, 44, 44)[:, :38].reshape(-1, 2, 44)
    assert twins[:, 0] == pytest.approx(twins[:, 1], abs=1e-4 * np.abs(twins).max())
    shuffled = score(tsn, data, P, shuffled=True)
    assert scores.logits == pytest.approx(shuffled.logits, abs=1e-4 * np.abs(twins).max())


def test_ct_net_tells_reversed_pairs_and_shuffled_frames_apart(smoke, ct_net):
    data = evaluate.test_split(smoke, P)
    logits, shuffled = (score(ct_net, data, P, shuffled=s).logits for s in (False, True))
    twins = logits.reshape(4, 44, 44)[:, :38].reshape(-1, 2, 44)
    size = twins.std()
    assert (np.abs(twins[:, 0] - twins[:, 1]).max(1) > 1e-3 * size).mean() > 0.9
    assert (np.abs(logits - shuffled).max(1) > 1e-3 * size).mean() > 0.9


def test_ensemble_is_the_mean_of_scores_of_the_same_clips():
    other = replace(BY_HAND, logits=BY_HAND.logits[:, ::-1], protocol="16x1x1@32")
    both = ensemble({"a": BY_HAND, "b": other})
    assert np.array_equal(both.logits, (BY_HAND.logits + other.logits) / 2)
    assert both.protocol == "8x1x1@32 + 16x1x1@32" and np.array_equal(both.labels, BY_HAND.labels)
    assert set(metrics(both)) == {"clips", "top1", "top5", "tiers", "pairs"}
    for what, wrong in (("clips", {"sha256": "4567"}), ("classes", {"classes": CLIPS.classes[::-1]})):
        apart = replace(BY_HAND, clips=replace(CLIPS, **wrong))
        message = rf"^b: other {what} \(test of by hand\) than a \(test of by hand\); .* in the same order"
        with pytest.raises(ResultError, match=message):
            ensemble({"a": BY_HAND, "b": apart})
    for arrays in (
        {"labels": BY_HAND.labels[::-1]},
        {"logits": BY_HAND.logits[:7], "labels": BY_HAND.labels[:7]},
        {"logits": BY_HAND.logits[:, :4]},
    ):
        with pytest.raises(ResultError, match="an ensemble needs the same in the same order"):
            ensemble({"a": BY_HAND, "b": replace(BY_HAND, **arrays)})
    with pytest.raises(ResultError, match="at least one"):
        ensemble({})


def test_clips_do_not_depend_on_the_folder_of_their_videos(smoke):
    data = VideoDataset(smoke, "test", 8, 32, False)
    here = Clips.of(data)
    assert (here.data, here.split, str(here)) == ("motionpairs-smoke", "test", "test of motionpairs-smoke")

    def having(**changed):
        moved = VideoDataset(smoke, "test", 8, 32, False)
        moved.manifest = replace(data.manifest, **changed)
        return Clips.of(moved).sha256

    there = np.array([f"/elsewhere/{path}" for path in data.manifest.paths])
    assert having(paths=there) == here.sha256
    assert len({here.sha256, having(labels=data.manifest.labels[::-1]), having(starts=data.manifest.starts + 1)}) == 3
    other = Clips.of(VideoDataset(smoke, "train", 8, 32, False))
    assert other.sha256 != here.sha256, "although its videos have the same names"


@pytest.mark.parametrize("name", ["scores.npz", "scores"])
def test_scores_are_read_back_from_their_file(tmp_path, name):
    BY_HAND.save(tmp_path / name)
    back = Scores.load(tmp_path / name)
    assert np.array_equal(back.logits, BY_HAND.logits) and np.array_equal(back.labels, BY_HAND.labels)
    assert back.protocol == BY_HAND.protocol and back.clips == CLIPS
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_scores_that_cannot_be_read_or_written_are_errors(tmp_path):
    with pytest.raises(ResultError, match="absent.npz: no such file"):
        Scores.load(tmp_path / "absent.npz")
    BY_HAND.save(tmp_path / "whole")
    np.savez(tmp_path / "other.npz", a=1)
    (tmp_path / "text").write_text("text")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:200])
    (tmp_path / "empty").touch()
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("other.npz", "text", "cut", "empty", "array.npy"):
        with pytest.raises(ResultError, match=f"{name}: not a file of scores"):
            Scores.load(tmp_path / name)
    with pytest.raises(ResultError, match="cannot be written"):
        BY_HAND.save(tmp_path / "text" / "scores.npz")


def test_metrics_can_be_written_as_json(smoke, tsn):
    data = evaluate.test_split(smoke, P)
    found = metrics(Scores(np.eye(44).repeat(4, 0), np.arange(44).repeat(4), str(P), Clips.of(data)))
    assert json.loads(json.dumps(found)) == found and found["top1"] == 100
    assert set(found["pairs"].values()) == {100.0}
