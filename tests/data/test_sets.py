"""Every published set, from its owners' layout to an accuracy; class orders; the words of GRID."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import ctnet
from ctnet.cli import main
from ctnet.data import sets
from ctnet.data.dataset import VideoDataset
from ctnet.data.manifest import DataInfo, Manifest
from ctnet.data.prepare import prepare
from ctnet.data.sets.listing import order_of
from ctnet.experiments import scales
from ctnet.experiments.scales import SCALES
from ctnet.inference import evaluate
from ctnet.inference.scores import metrics
from ctnet.models import pretrained
from ctnet.protocol import Protocol
from ctnet.training import train
from ctnet.training.recipe import Recipe
from tests.support.layouts import CLASSES as NAMES
from tests.support.layouts import LAYOUTS, film
from tests.support.toy import PLAIN, SMALL

KINDS = {name: next((kind for kind in NAMES if name.startswith(kind)), None) for name in LAYOUTS}
EXPECTED = {  # classes of the small sets, where they are not all of those in the layout, sorted
    "mini_kinetics": ("abseiling", "zumba"),
    "grid16": ("bin", "lay", "blue", "red", "at", "now"),
    "grid10": ("four", "two"),
    "grid51": ("bin", "lay", "blue", "red", "at", "f", "four", "two", "now"),
    "mine": NAMES["hmdb51"],
}


def classes_of(name: str) -> tuple[str, ...]:
    """Return the classes that the small set must have, in order."""
    return EXPECTED.get(name) or tuple(sorted(NAMES[KINDS[name]]))


@pytest.mark.parametrize("name", LAYOUTS)
def test_set_is_prepared_trained_and_tested(name, sources, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    assert main.main(["data", "prepare", name, "--source", str(sources(name))]) == 0
    output = capsys.readouterr()
    folder = Path(output.out.strip())
    assert folder == tmp_path / "sets" / name and " found of " in output.err
    assert main.main(["data", "verify", name]) == 0
    assert not list(folder.parent.glob(".*.scan")) and not list(folder.parent.glob(".*.partial"))

    info = DataInfo.read(folder)
    assert info.classes == classes_of(name) and info.extra["listed"] == info.splits
    assert info.flip == ((0, 2, 1) if name.startswith("something") else tuple(range(len(info.classes))))
    if not name.startswith("grid"):
        assert info.splits == {"train": 3 * len(info.classes), "test": 2 * len(info.classes)}
    for split in info.splits:
        m = Manifest.read(folder, split, info)
        for i in range(len(m)):
            if not name.startswith("grid"):
                assert m.frames[i] == 8
            if name.startswith(("kinetics", "ucf101", "hmdb51", "mine")):  # the folder of a video is its class
                assert m.path(i).parent.name.replace("_", " ") == info.classes[m.labels[i]].replace("_", " ")
    if name not in ("ucf101_2", "ucf101_3", "hmdb51_2", "hmdb51_3", "grid10", "grid51"):
        train_and_test(folder, tmp_path / "run")


def train_and_test(folder: Path, run: Path) -> None:
    """Train a small network on the set for one epoch and test it."""
    protocol = Protocol(4, size=32)
    data = VideoDataset(folder, "train", 4, 32, True)
    net = ctnet.create_model("tsn_resnet50", num_classes=len(data.info.classes), num_frames=4, **PLAIN)
    recipe = Recipe(epochs=1, batch_size=8, warmup=0, scales=(1.0,))
    record = train(net, data, recipe, run, accelerator="cpu", progress=False)
    assert record["epochs"][-1]["loss"] > 0
    held_out = evaluate.test_split(folder, protocol)
    scores = evaluate.score(net, held_out, protocol, device="cpu")
    assert scores.logits.shape == (data.info.splits["test"], len(data.info.classes))
    assert 0 <= metrics(scores)["top1"] <= 100


def test_paper_experiment_runs_by_its_commands(sources, tmp_path, monkeypatch, capsys):
    """UCF101 from Kinetics-400 from ImageNet; all but width, epochs, batch size and frame size is the paper's."""
    for name in ("data", "runs", "results"):
        monkeypatch.setenv(f"CTNET_{name.upper()}", str(tmp_path / name))
    started = []
    monkeypatch.setattr(pretrained, "load_imagenet", started.append)
    monkeypatch.setitem(SCALES, "paper", replace(SCALES["paper"], overrides=tuple(SMALL.items())))
    for name in ("kinetics400", "ucf101"):
        s = scales.SETS["paper"][name]
        recipe = replace(s["recipe"], epochs=2, warmup=1, batch_size=4)
        monkeypatch.setitem(
            scales.SETS["paper"], name, s | {"recipe": recipe, "protocol": replace(s["protocol"], size=32)}
        )
        prepare(name, source=sources(name), root=tmp_path / "data")
    command = "train ctnet_resnet50 --scale paper --data ucf101 --workers 0 --threads 1".split()
    assert main.main(command) == 0
    printed = capsys.readouterr()
    trained = json.loads(printed.out.splitlines()[-1])
    assert len(started) == 1, "Kinetics-400 from ImageNet, UCF101 from Kinetics-400"
    records = {
        r["data"]["name"]: r for r in map(json.loads, map(Path.read_text, tmp_path.glob("results/paper/*.json")))
    }
    assert records["ucf101"]["experiment"]["protocol_name"] == "16x3x2@32"
    assert records["kinetics400"]["experiment"]["protocol_name"] == "16x3x4@32"
    assert records["kinetics400"]["experiment"]["recipe"]["sampling"] == "dense"
    file = printed.err.splitlines()[-1].removeprefix("weights: ")
    assert main.main(f"evaluate {file} --data ucf101 --clips 2 --crops 3 --workers 0".split()) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["protocol"], again["top1"], again["clips"]) == ("16x3x2@32", trained["top1"], trained["clips"])


def test_grid_words_are_cut_at_their_frames(sources, tmp_path):
    from ctnet.data.video import read_frames

    folder = prepare("grid51", root=tmp_path, source=sources("grid51"))
    info = DataInfo.read(folder)
    assert info.splits == {"train": 12, "test": 12}
    m = Manifest.read(folder, "train", info)
    (k,) = (i for i in range(len(m)) if m.path(i).name.startswith("s1-bbaf2n-6-"))  # "blue", frames 8-15
    assert info.classes[m.labels[k]] == "blue" and m.frames[k] == 12
    whole = read_frames(sources("grid51") / "s1" / "bbaf2n.mpg", range(6, 18)).int()
    assert (read_frames(m.path(k), range(12)).int() - whole).abs().float().mean() < 3
    last = max(m.frames[i] for i in range(len(m)) if info.classes[m.labels[i]] == "now")
    assert last == 10, "the margin must end with the sentence"


UCF101 = """ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch Basketball
BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles BodyWeightSquats Bowling BoxingPunchingBag
BoxingSpeedBag BreastStroke BrushingTeeth CleanAndJerk CliffDiving CricketBowling CricketShot CuttingInKitchen Diving
Drumming Fencing FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing Haircut Hammering HammerThrow
HandstandPushups HandstandWalking HeadMassage HighJump HorseRace HorseRiding HulaHoop IceDancing JavelinThrow
JugglingBalls JumpingJack JumpRope Kayaking Knitting LongJump Lunges MilitaryParade Mixing MoppingFloor Nunchucks
ParallelBars PizzaTossing PlayingCello PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar
PlayingTabla PlayingViolin PoleVault PommelHorse PullUps Punch PushUps Rafting RockClimbingIndoor RopeClimbing Rowing
SalsaSpin ShavingBeard Shotput SkateBoarding Skiing Skijet SkyDiving SoccerJuggling SoccerPenalty StillRings
SumoWrestling Surfing Swing TableTennisShot TaiChi TennisSwing ThrowDiscus TrampolineJumping Typing UnevenBars
VolleyballSpiking WalkingWithDog WallPushups WritingOnBoard YoYo""".split()
HMDB51 = """brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor fencing
flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup ride_bike ride_horse
run shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand swing_baseball sword
sword_exercise talk throw turn walk wave""".split()


def kinetics_classes() -> list[str]:
    """Return the class names of Kinetics-400 as torchvision has them."""
    from torchvision.models.video import MViT_V1_B_Weights

    return MViT_V1_B_Weights.DEFAULT.meta["categories"]


def test_class_order_equals_that_of_the_owners(tmp_path, clips):
    """Annotation files with all classes give an order with the recorded hash."""
    video = clips[0][0]
    ucf = tmp_path / "ucf"
    (ucf / "ucfTrainTestlist").mkdir(parents=True)
    (ucf / "UCF-101").mkdir()
    (ucf / "ucfTrainTestlist" / "classInd.txt").write_text("\n".join(f"{k} {n}" for k, n in enumerate(UCF101, 1)))
    for side in ("train", "test"):
        (ucf / "ucfTrainTestlist" / f"{side}list01.txt").write_text(f"YoYo/{side}.avi")
        film(ucf / "UCF-101" / "YoYo" / f"{side}.avi", video)
    hmdb = tmp_path / "hmdb" / "testTrainMulti_7030_splits"
    hmdb.mkdir(parents=True)
    for name in HMDB51:
        (hmdb / f"{name}_test_split1.txt").write_text("a.avi 1\nb.avi 2")
    kinetics = tmp_path / "kinetics"
    kinetics.mkdir()
    for split in ("train", "val"):
        rows = [f'"{name}",id{k},0,10,{split}' for k, name in enumerate(kinetics_classes()[::-1])]
        (kinetics / f"{split}.csv").write_text("\n".join(["label,youtube_id,time_start,time_end,split", *rows]))
    for name, source in (("ucf101", ucf), ("hmdb51", hmdb.parent), ("kinetics400", kinetics)):
        assert order_of(sets.READERS[name](source).classes) == sets.ORDERS[name]
    folder = prepare("ucf101", root=tmp_path / "sets", source=ucf)
    assert "classes: 101, in the owners' order" in (folder / "report.txt").read_text()


@pytest.mark.skipif("CTNET_SOMETHING_CLASSES" not in os.environ, reason="CTNET_SOMETHING_CLASSES names no file")
def test_order_hash_of_the_174_something_classes():
    classes = Path(os.environ["CTNET_SOMETHING_CLASSES"]).read_text(encoding="utf-8").splitlines()
    assert len(classes) == 174 and order_of(classes) == sets.ORDERS["something_v1"]
    assert order_of(classes[::-1]) != sets.ORDERS["something_v1"]


def test_report_says_when_classes_are_not_all_of_the_owners(sources, tmp_path):
    folder = prepare("hmdb51", root=tmp_path, source=sources("hmdb51"))
    assert "classes: 3, fewer than the owners list" in (folder / "report.txt").read_text()
