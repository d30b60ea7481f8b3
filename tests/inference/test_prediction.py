"""The prediction for one video, as a list of classes and as a picture."""

import pytest
import torch

import ctnet
from ctnet import clips
from ctnet.data.manifest import DataInfo
from ctnet.data.video import count_frames
from ctnet.errors import ConfigError, VideoError
from ctnet.inference import evaluate
from ctnet.inference.prediction import predict, read_views
from ctnet.models import weights
from ctnet.protocol import Protocol
from tests.support.toy import PLAIN, SMALL

P = Protocol(8, size=32)


@pytest.fixture(scope="module")
def tsn():
    return ctnet.create_model("tsn_resnet50", num_classes=44, **PLAIN)


@pytest.fixture(scope="module")
def ct_net():
    torch.manual_seed(1)
    return ctnet.create_model("ctnet_resnet50", num_classes=44, **SMALL)


def test_prediction_of_a_file_equals_that_of_the_test_split(smoke, ct_net, tmp_path):
    info = DataInfo.read(smoke)
    weights.save(ct_net, tmp_path / "w", classes=info.classes, protocol=vars(P))
    net = weights.load(tmp_path / "w")
    data = evaluate.test_split(smoke, P)
    for index in (0, 41):
        clip, label, _ = data[index]
        logits = net(clips.normalize(clip)).mean(0)
        best = predict(net, data.manifest.path(index), k=3)
        assert [name for name, _ in best] == [info.classes[i] for i in logits.topk(3).indices]
        assert [p for _, p in best] == pytest.approx(logits.softmax(0).topk(3).values.tolist(), rel=1e-4)
    everything = predict(net, str(data.manifest.path(0)), k=1000)
    values = [p for _, p in everything]
    assert len(everything) == 44 and values == sorted(values, reverse=True) and sum(values) == pytest.approx(1)
    assert sum(values[:5]) <= 1 and min(values) >= 0


def test_network_without_class_names_numbers_its_classes(smoke, tsn):
    video = smoke / "videos" / "test" / "00" / "000000.avi"
    assert {name for name, _ in predict(tsn, video, P, k=44)} == {f"class {i}" for i in range(44)}
    names = [f"word {i}" for i in range(44)]
    assert predict(tsn, video, P, k=1, classes=names)[0][0] in names
    with pytest.raises(ConfigError, match="2 class names do not fit a network of 44 classes"):
        predict(tsn, video, P, classes=["a", "b"])
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        predict(tsn, video, P, k=0)


def test_unreadable_video_is_an_error_that_starts_with_its_path(tmp_path, tsn):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.avi").touch()
    for name in ("absent.mp4", "text.mp4", "folder", "empty.avi"):
        with pytest.raises(VideoError, match=f"^{tmp_path / name}: "):
            predict(tsn, tmp_path / name, P)


def test_short_video_repeats_frames(smoke, tsn):
    video = smoke / "videos" / "test" / "00" / "000000.avi"
    assert len(predict(tsn, video, Protocol(24, crops=3, clips=2, size=40))) == 5


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".mp4", ".gif"])
def test_saved_picture_shows_the_most_likely_class_and_the_sampled_frames(suffix, smoke, ct_net, tmp_path, monkeypatch):
    from ctnet.inference import drawing

    seen = []
    draw = drawing.draw_titled
    monkeypatch.setattr(drawing, "draw_titled", lambda *a, **k: seen.append(a) or draw(*a, **k))
    video, protocol = smoke / "videos" / "test" / "00" / "000000.avi", Protocol(6, crops=3, clips=2, size=24)
    names = [f"word {i}" for i in range(44)]
    ((label, probability),) = predict(ct_net, video, protocol, k=1, classes=names, save=tmp_path / f"o{suffix}")
    assert (label, probability) == predict(ct_net, video, protocol, classes=names)[0]
    assert {title for _, title in seen} == {f"{label}  {probability:.1%}"}
    assert [file.name for file in tmp_path.iterdir()] == [f"o{suffix}"]
    assert count_frames(tmp_path / f"o{suffix}") == (1 if suffix in drawing.PICTURES else 6)
    left = seen[0][0][1:25, 1:25]  # the first frame of the first clip, its centre crop
    assert (left == read_views(video, protocol)[1][:, 0].permute(1, 2, 0).numpy()).all()


def test_unknown_suffix_is_refused_before_the_video_is_read(ct_net, tmp_path):
    with pytest.raises(ConfigError, match=r"o.txt: a picture is .png, .jpg, .jpeg, a video .mp4 or .gif"):
        predict(ct_net, tmp_path / "absent.mp4", P, save=tmp_path / "o.txt")
    with pytest.raises(VideoError, match="absent.mp4"):
        predict(ct_net, tmp_path / "absent.mp4", P, save=tmp_path / "o.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("thing", ["weights.safetensors", None, torch.nn.Linear(2, 2)])
def test_something_other_than_a_network_is_an_error(thing):
    with pytest.raises(
        ConfigError, match=r"a network of ctnet is needed, such as ctnet.load\('weights.safetensors'\), not"
    ):
        predict(thing, "video.mp4")


def test_file_without_video_and_missing_file_are_named(tsn, tmp_path):
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(VideoError, match="notes.txt: no video that can be read, or a damaged one"):
        predict(tsn, tmp_path / "notes.txt")
    with pytest.raises(VideoError, match="none.mp4: no such file"):
        predict(tsn, tmp_path / "none.mp4")
