"""Named protocols against the rows of the paper that use them, and the list of differences to the release."""

import json
import re
from dataclasses import asdict, replace

import pytest

from ctnet.cli.main import main
from ctnet.errors import ConfigError
from ctnet.experiments import scales
from ctnet.models import weights
from ctnet.paper import printed
from ctnet.protocol import PROTOCOLS, Protocol, named
from tests.support import toy


@pytest.mark.parametrize(
    "name, row",
    [
        ("something", "3/ct_8"),
        ("something_2clips", "6/ct_8x1x2"),
        ("something_6views", "3/ct_8x3x2"),
        ("kinetics_paper", "4/ct_r50"),
        ("ucf_hmdb", "5/ct"),
        ("inception", "8/ct_incv3"),
    ],
)
def test_row_of_the_paper_has_the_named_protocol(name, row):
    (protocol,) = printed.row(row).protocols
    assert replace(named(name), sampling=protocol.sampling) == protocol


def test_protocols_print_as_the_paper_writes_them():
    names = {str(p) for p in PROTOCOLS.values()}
    assert names >= {"8x1x1@256", "8x1x2@256", "8x3x2@256", "16x3x4@256", "8x1x1@224/256", "8x1x1@299"}


def test_paper_and_release_differ_on_kinetics_in_the_sampling_only():
    ours, theirs = named("kinetics_paper"), named("kinetics_release")
    assert ours != theirs and replace(ours, sampling="uniform") == theirs


def test_named_protocol_takes_the_frames_of_the_network():
    assert named("something_6views", 24) == Protocol(24, 3, 2)
    with pytest.raises(ConfigError, match="unknown protocol 'kinetics'; did you mean kinetics_paper"):
        named("kinetics")


def test_each_difference_has_all_columns_and_names_known_protocols():
    lines = printed.read_csv("protocols.csv")
    assert all(line[column] for line in lines for column in ("what", "paper", "release", "ctnet"))
    mentioned = set(
        re.findall(r"\b(?:something|kinetics)_\w+|\binception\b", " ".join(line["ctnet"] for line in lines))
    )
    assert mentioned == {"something_2clips", "kinetics_paper", "kinetics_release", "inception"} <= PROTOCOLS.keys()


def test_data_set_of_the_paper_has_the_recipe_of_a1_and_its_protocol():
    (e,) = scales.per_seed("ctnet_resnet50", "paper", "kinetics400")
    r = e.recipe
    assert (r.epochs, r.batch_size, r.lr, r.dropout, r.weight_decay) == (110, 64, 0.01, 0.5, 1e-4)
    assert (e.protocol, e.init, r.flip) == (named("kinetics_paper"), "imagenet", True)
    (e,) = scales.per_seed("ctnet_resnet50", "paper", "ucf101_2")
    assert (e.protocol, e.init) == (named("ucf_hmdb"), "kinetics400")
    assert [scales.start_of(e)] == scales.per_seed("ctnet_resnet50", "paper", "kinetics400")
    (e,) = scales.per_seed("ctnet_resnet50", "gpu", "grid16", [1], "motionpairs")
    assert [scales.start_of(e)] == scales.per_seed("ctnet_resnet50", "gpu", "motionpairs", [1])
    (e,) = scales.per_seed("ctnet_resnet50", "paper", "something_v2")
    assert (e.recipe, e.protocol, e.init) == (scales.SCALES["paper"].recipe, named("something"), "imagenet")
    assert scales.per_seed("ctnet_resnet50", "gpu", "kinetics400")[0].protocol.clips == 1


def test_plots_show_sampled_frames_and_crops_at_their_positions():
    import torch

    from ctnet.book import pictures
    from ctnet.data import sample, transforms

    (axis,) = pictures.picked_frames(100, {"sparse": sample(100, 8), "uniform": sample(100, 8, 4, "uniform")}).axes
    drawn = [dots.get_offsets()[:, 0].astype(int).tolist() for dots in axis.collections]
    assert drawn == sample(100, 8).tolist() + sample(100, 8, 4, "uniform").tolist()
    assert [t.get_text() for t in axis.get_yticklabels()][:2] == ["sparse", "uniform, clip 1"]
    crops = transforms.three_boxes(90, 120, 90)
    (axis,) = pictures.boxes(torch.zeros(3, 90, 120, dtype=torch.uint8), {"test": crops}).axes
    assert [(p.get_y() + 0.5, p.get_x() + 0.5, p.get_height(), p.get_width()) for p in axis.patches] == crops


def test_evaluate_takes_a_named_protocol(tmp_path, capsys):
    toy.write_set(tmp_path / "set", clips=1, split="test")
    file = tmp_path / "weights.safetensors"
    weights.save(toy.network(), file, classes=toy.CLASSES, protocol=asdict(Protocol(4, size=32)))

    def evaluate(*options, status=0):
        words = ["evaluate", str(file), "--data", str(tmp_path / "set"), *options]
        assert main(words) == status
        return capsys.readouterr()

    assert json.loads(evaluate().out)["protocol"] == "4x1x1@32"
    by_name = json.loads(evaluate("--protocol", "something_224").out)
    assert by_name["protocol"] == "4x1x1@224/256" and by_name["clips"] == 1
    assert json.loads(evaluate("--protocol", "something_224", "--clips", "2").out)["protocol"] == "4x1x2@224/256"
    assert (
        "unknown protocol 'something_223'; did you mean something_224"
        in evaluate("--protocol", "something_223", status=2).err
    )
