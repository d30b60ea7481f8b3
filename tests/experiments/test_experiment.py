"""The value of an experiment: its key, its training half, ensembles, and the experiments of a scale."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctnet.data import motionpairs
from ctnet.data.loading import readers
from ctnet.errors import ConfigError
from ctnet.experiments import scales
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.models.inception import CHOSEN_SITES
from ctnet.models.zoo import signature
from ctnet.protocol import Protocol
from ctnet.training.recipe import Recipe
from tests.support.toy import PLAIN

E = Experiment("tsn_resnet50", data="kinetics400", protocol=Protocol(4, size=32), overrides=(("width", 16),))


def test_key_is_the_same_on_every_machine():
    pinned = Experiment(
        "ctnet_resnet50",
        data="kinetics400",
        recipe=Recipe(110, 64, 0.01, 10, 0.5, 1e-4, 0.9, 20.0, (5.0, 10.0), (1.0, 0.875), True, "32-true", 0.05),
        protocol=Protocol(8, 3, 10, 256, "dense"),
        seed=3,
        scale="paper",
        overrides=(("width", 64),),
    )
    assert pinned.key == "ctnet_resnet50-s3-c138681a50a5"


def test_every_field_changes_the_key():
    other = {str: lambda v: v + "x", int: lambda v: v + 1, float: lambda v: v + 0.5, bool: lambda v: not v}
    other[type(None)] = lambda _: 512

    def changed(value):
        """The value with each of its fields in turn set to something else."""
        for f in fields(value):
            old = getattr(value, f.name)
            if f.name == "sampling":
                yield replace(value, sampling="dense")
            elif f.name == "crops":
                yield replace(value, crops=3)
            elif f.name == "test_data":
                yield replace(value, test_data="hmdb51")
            elif f.name == "test_split":
                yield replace(value, test_split="validation")
            elif isinstance(old, Recipe | Protocol):
                yield from (replace(value, **{f.name: new}) for new in changed(old))
            else:
                new = (*old, old[0]) if isinstance(old, tuple) else other[type(old)](old)
                yield replace(value, **{f.name: new})

    made = [E, replace(E, overrides=(("width", 32),)), *changed(E)]
    assert len(made) == 2 + len(fields(Recipe)) + len(fields(Protocol)) + len(fields(Experiment)) - 2
    assert len({e.key for e in made}) == len(made)


def test_key_follows_the_version_of_drawn_clips(monkeypatch):
    smoke = Experiment("tsn_resnet50", scale="smoke")
    before = smoke.key
    assert before.startswith("tsn_resnet50-s0-") and before == replace(smoke).key
    monkeypatch.setattr(motionpairs, "VERSION", motionpairs.VERSION + 1)
    assert replace(smoke).key != before


@pytest.mark.parametrize("scale", scales.SCALES)
def test_experiment_survives_json(scale):
    """A rank of torchrun and the reader of a record both start from JSON."""
    (e, *_) = scales.per_seed("ctnet_resnet50", scale)
    assert Experiment.from_dict(json.loads(json.dumps(asdict(e)))) == e
    described = asdict(e) | {"overrides": dict(e.overrides), "protocol_name": str(e.protocol)}
    assert Experiment.from_dict(json.loads(json.dumps(described))) == e


# --- training and test


def test_test_settings_do_not_change_the_training():
    p = E.protocol
    tests = [replace(p, crops=3), replace(p, clips=2), replace(p, short_side=40)]
    trained_at_32 = replace(E, recipe=replace(E.recipe, size=32, sampling="sparse"))
    tests += [replace(p, size=48), replace(p, sampling="uniform")]
    for protocol in tests:
        e = replace(trained_at_32, protocol=protocol)
        assert e.training == E.training and e.key != trained_at_32.key
    assert replace(E, test_data="hmdb51").training == E.training
    assert replace(E, test_split="validation").training == E.training


@pytest.mark.parametrize(
    "change",
    [
        {"model": "tsm_resnet50"},
        {"data": "hmdb51"},
        {"recipe": Recipe(lr=0.1)},
        {"seed": 1},
        {"scale": "gpu"},
        {"overrides": (("width", 32),)},
        {"init": "imagenet"},
        {"protocol": Protocol(8, size=32)},
        {"protocol": Protocol(4, size=48)},  # the recipe leaves the size to the protocol
    ],
    ids=str,
)
def test_training_settings_change_the_training(change):
    assert replace(E, **change).training != E.training


@given(
    crops=st.sampled_from((1, 3)),
    clips=st.integers(1, 10),
    size=st.integers(32, 256),
    own_size=st.none() | st.integers(32, 256),
    sampling=st.sampled_from(("sparse", "dense", "uniform")),
    own_sampling=st.none() | st.sampled_from(("sparse", "dense")),
)
def test_training_of_a_training_is_itself(crops, clips, size, own_size, sampling, own_sampling):
    recipe = Recipe(size=own_size, sampling=own_sampling)
    e = replace(E, recipe=recipe, protocol=Protocol(4, crops, clips, size, sampling))
    training = e.training
    assert training.training == training and training.protocol.views == 1
    assert training.protocol.size == (own_size or size) and training.protocol.sampling == (own_sampling or sampling)


def test_default_experiments_equal_their_training():
    """This keeps the weights of earlier versions in their folders, which were named after the experiment."""
    for scale in ("smoke", "cpu", "gpu"):
        for e in scales.per_seed("ctnet_resnet50", scale):
            assert e.training == e


def test_negative_seed_and_start_from_own_data_are_refused():
    with pytest.raises(ConfigError, match="seed must be at least 0, not -1"):
        replace(E, seed=-1)
    with pytest.raises(ConfigError, match="trains on 'kinetics400', so its weights cannot start from there"):
        replace(E, init="kinetics400")


# --- ensembles


def test_key_of_an_ensemble_follows_its_members_in_any_order():
    a, b, c = (replace(E, protocol=Protocol(frames, size=32)) for frames in (4, 8, 16))
    assert Ensemble((a, b)).key == Ensemble((b, a)).key
    assert len({Ensemble(members).key for members in ((a, b), (a, c), (a, b, c))}) == 3
    assert Ensemble((a, b)).key.startswith("ensemble2-s0-") and (Ensemble((a, b)).seed, Ensemble((a, b)).scale) == (
        0,
        "cpu",
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ((E,), "at least two different experiments"),
        ((E, E), "at least two different experiments"),
        ((E, replace(E, seed=1)), "differ in seed: 0, 1"),
        ((E, replace(E, scale="gpu")), "differ in scale: cpu, gpu"),
        ((E, replace(E, data="hmdb51")), "differ in tested_on: hmdb51, kinetics400"),
    ],
)
def test_members_that_do_not_belong_together_are_refused(members, message):
    with pytest.raises(ConfigError, match=message):
        Ensemble(members)


# --- the experiments of a scale


@pytest.mark.parametrize("scale", scales.SCALES)
def test_one_experiment_for_each_seed_of_the_scale(scale):
    made = scales.per_seed("ctnet_resnet50", scale)
    settings = scales.SCALES[scale]
    assert tuple(e.seed for e in made) == settings.seeds and len({e.key for e in made}) == len(made)
    assert {(e.recipe, e.protocol, e.data, e.scale) for e in made} == {
        (settings.recipe, settings.protocol, settings.data, scale)
    }
    assert [e.seed for e in scales.per_seed("ctnet_resnet50", scale, seeds=[7, 5])] == [7, 5]


@pytest.mark.parametrize("scale", ["smoke", "cpu"])
def test_narrow_inception_keeps_the_ct_modules_that_can_be_built(scale):
    (tsn, *_), (ct, *_) = (scales.per_seed(f"{kind}_inception_v3", scale) for kind in ("tsn", "ctnet"))
    assert dict(ct.overrides) == dict(tsn.overrides) | {"ct_blocks": scales.SMALL_INCEPTION_SITES}
    assert tsn.protocol == ct.protocol and tsn.protocol.size == 75
    built = []
    for site in CHOSEN_SITES:
        with suppress(ConfigError):
            signature("ctnet_inception_v3", **dict(tsn.overrides), ct_blocks=(site,))
            built.append(site)
    assert tuple(built) == scales.SMALL_INCEPTION_SITES


def test_paper_scale_has_the_recipe_of_a1():
    assert scales.SCALES["paper"].recipe == Recipe()
    assert str(scales.SCALES["paper"].protocol) == "8x1x1@256"


def test_unknown_name_error_lists_similar_names():
    with pytest.raises(ConfigError, match="unknown scale 'cpuu'; did you mean cpu"):
        scales.per_seed("ctnet_resnet50", "cpuu")
    with pytest.raises(ConfigError, match="unknown model 'ctnet_resnet5'; did you mean ctnet_resnet50"):
        scales.per_seed("ctnet_resnet5", "cpu")


def test_fewer_epochs_than_the_warm_up_are_refused():
    for scale, epochs in (("smoke", 0), ("cpu", 1), ("paper", 8)):
        with pytest.raises(ConfigError, match=f"{epochs} epochs: must be more than the"):
            scales.per_seed("tsn_resnet50", scale, epochs=epochs)


def test_settings_of_a_set_apply_to_its_splits_only():
    def recipe(data):
        return scales.per_seed("ctnet_resnet50", "paper", data)[0].recipe

    assert recipe("ucf101_3") == recipe("ucf101") != recipe("ucf101_small") == recipe("mine")


def test_reader_processes_follow_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert readers() == 8
    monkeypatch.setenv("CTNET_CORES", "4")
    assert readers() == 3


def test_toy_overrides_make_a_network():
    from ctnet.models.zoo import configured

    configured("tsn_resnet50", **PLAIN)
