"""Which names are the same network, computed from their configs."""

from itertools import combinations

import pytest

import ctnet
from ctnet.errors import ConfigError
from ctnet.models.ct_module import FULL, PARALLEL, SPATIAL, TEMPORAL
from ctnet.models.network import CTConfig
from ctnet.models.zoo import same_as, same_network, signature

CPU = {"width": 16, "depths": (2, 2, 2)}  # the overrides of the cpu scale
TABLES = {
    "2a": ["c3d_resnet50", "r2plus1d_resnet50", "csn_resnet50", "ct_resnet50"],
    "2b": ["ct_resnet50_k1", "ct_resnet50", "ct_resnet50_k3", "ct_resnet50_k4"],
    "2c": ["ct_resnet50_coupling", "ct_resnet50_serial", "ct_resnet50"],
    "2f": [f"ct_resnet50_kernels_{sizes}" for sizes in ("1_3", "1_5", "3_5", "5_5")] + ["ct_resnet50"],
    "2g": ["tsn_resnet50", "ct_resnet50", "ct_resnet50_pw", "ct_resnet50_pw_se", "ctnet_resnet50"],
}


def test_all_names_differ_at_full_width():
    signatures = {signature(name) for name in ctnet.list_models()}
    assert len(signatures) == len(ctnet.list_models())


@pytest.mark.parametrize("table", TABLES)
def test_names_of_a_table_differ_at_cpu_scale(table):
    assert not [pair for pair in combinations(TABLES[table], 2) if same_network(*pair, **CPU)]


def test_blocks12_equals_seven_blocks_at_cpu_scale():
    assert same_network("ct_resnet50", "ct_resnet50_blocks12", **CPU)
    assert same_as("ct_resnet50_blocks12", **CPU) == "ct_resnet50"
    assert same_as("ct_resnet50", **CPU) is None
    assert same_as("tsn_resnet101", **CPU) == "tsn_resnet50", "without CT-blocks only width and depths count"


def test_name_without_network_raises():
    with pytest.raises(ConfigError, match="no CT-block is left"):
        signature("ct_resnet50_blocks1", **CPU)
    for pair in (("ct_resnet50_blocks1", "ct_resnet50"), ("ct_resnet50", "ct_resnet50_blocks1")):
        with pytest.raises(ConfigError, match="no CT-block is left"):
            same_network(*pair, **CPU)
    assert same_as("ct_resnet50_blocks1", **CPU) is None


@pytest.mark.parametrize("name,overrides", [
    ("ct_resnet50_c2_16", {"width": 8}),  # 8 channels have no size 16
    ("ctnet_resnet50", {"width": 8}),  # TE needs sizes divisible by 4
    ("ct_resnet50_k4", {"width": 18}),
    ("ct_resnet50", {"ct_blocks": ((0,), (), (), ())}),
    ("ct_resnet50", {"depths": (3, 4, 6, 3, 3)}),
    ("ctnet_inception_v3", {"ct_blocks": ("Mixed_5c.branch9x9",)}),
    ("ctnet_inception_v3", {"width": 6}),
    ("ctnet_inception_v3", CPU),
])  # fmt: skip
def test_signature_raises_as_create_model_does(name, overrides):
    messages = []
    for make in (ctnet.create_model, signature):
        with pytest.raises(ConfigError) as error:
            make(name, **overrides)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_c2_4_equals_balanced_sizes_at_16_and_32_channels_only():
    four, balanced = CTConfig(sizes=("rest", 4)), CTConfig()
    assert {c: four.resolve(c) == balanced.resolve(c) for c in (16, 32, 64)} == {16: True, 32: True, 64: False}
    assert same_network("ct_resnet50", "ct_resnet50_c2_4", width=16, depths=(2, 2))
    assert not same_network("ct_resnet50", "ct_resnet50_c2_4", **CPU)


@pytest.mark.parametrize("a,b,same", [
    ({"sizes": 1, "kernels": ((FULL,),)}, {"sizes": ("C",), "kernels": [[list(FULL)]], "connect": "serial"}, True),
    ({"kernels": ((SPATIAL,), (TEMPORAL,))}, {"kernels": ((SPATIAL,), (TEMPORAL,)), "connect": "serial"}, True),
    ({"kernels": ((SPATIAL,), PARALLEL)}, {"kernels": ((SPATIAL,), PARALLEL), "connect": "serial"}, False),
    ({"sizes": 1, "kernels": (PARALLEL,)}, {"sizes": 1, "kernels": (PARALLEL,), "pointwise": True}, True),
    ({}, {"pointwise": True}, False),
    ({}, {"excitation": "te"}, False),
    ({"sizes": ("rest", 8)}, {"sizes": (8, 8)}, True),
    ({"sizes": ("rest", 8)}, {"sizes": (8, "rest")}, True),
    ({"sizes": ("rest", 1)}, {"sizes": ("C", 1)}, True),
    ({"sizes": ("C", "C")}, {"sizes": ("C", 1)}, False),
])  # fmt: skip
def test_options_that_change_nothing_do_not_count(a, b, same):
    assert (CTConfig(**a).resolve(64) == CTConfig(**b).resolve(64)) is same
    network = {"width": 64, "depths": (2,), "ct_blocks": ((1,),)}
    first, second = (signature("ct_resnet50", ct=CTConfig(**options), **network) for options in (a, b))
    assert (first == second) is same


def test_signature_ignores_frames_and_unused_module():
    assert signature("ctnet_resnet50", num_frames=16) == signature("ctnet_resnet50")
    assert signature("tsn_resnet50", ct=CTConfig(sizes=1, kernels=((FULL,),))) == signature("tsn_resnet50")
    assert signature("ctnet_resnet50", depths=[2, 2, 2]) == signature("ctnet_resnet50", depths=(2, 2, 2))


@pytest.mark.parametrize("override", [{"width": 32}, {"num_classes": 5}, {"dropout": 0.5}, {"ct_blocks": ()}], ids=str)
def test_signature_of_inception_changes_with_each_field(override):
    assert signature("ctnet_inception_v3", **override) != signature("ctnet_inception_v3")
    hash(signature("ctnet_inception_v3", **override))


def test_inception_without_ct_blocks_is_tsn():
    assert same_network("ctnet_inception_v3", "tsn_inception_v3", ct_blocks=())
    assert not same_network("ctnet_inception_v3", "tsn_inception_v3")
