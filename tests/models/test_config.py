"""Configs: invalid values, and how depths and widths change a variant."""

import pytest

import ctnet
from ctnet.errors import ConfigError
from ctnet.models.ct_module import FULL, CTModule, balanced_sizes
from ctnet.models.network import CTConfig


@pytest.mark.parametrize("name,depths", [("ct_resnet50_blocks1", (2, 2, 2)), ("ctnet_resnet50", [1, 1, 1, 1])], ids=str)
def test_depths_without_ct_block_raise(name, depths):
    with pytest.raises(ConfigError) as error:
        ctnet.create_model(name, depths=depths)
    assert str(error.value) == f"{name}: no CT-block is left with depths {depths}; give ct_blocks"


def test_smaller_depths_keep_remaining_ct_blocks():
    made = {
        name: ctnet.create_model(name, width=16, depths=(2, 2, 2)).config.ct_blocks
        for name in ("ctnet_resnet50", "ct_resnet50_blocks4", "tsn_resnet50")
    }
    assert list(made.values()) == [((1,), (1,), (1,)), ((), (), (1,)), ((), (), ())]
    given = ctnet.create_model("ct_resnet50_blocks1", width=16, depths=(2, 2), ct_blocks=((), (1,)))
    assert given.config.ct_blocks == ((), (1,))


@pytest.mark.parametrize("key,value", [
    ("width", 0), ("width", "16"), ("width", -16), ("width", 16.0), ("width", None),
    ("depths", 3), ("depths", "abc"), ("depths", (2, 0)), ("depths", (2, -1)), ("depths", (2, "2")), ("depths", None),
    ("num_classes", 0), ("num_classes", "5"), ("num_frames", -1), ("num_frames", 8.0),
    ("dropout", 1.5), ("dropout", "0.3"), ("dropout", -0.1),
    ("ct_blocks", 3), ("ct_blocks", (1, 2)), ("ct_blocks", (("a",), (), (), ())),
    ("ct", None), ("ct", {"sizes": 2}),
])  # fmt: skip
def test_bad_resnet_value_is_named_in_one_line(key, value):
    with pytest.raises(ConfigError, match=key) as error:
        ctnet.create_model("ct_resnet50", **{key: value})
    assert "\n" not in str(error.value) and repr(value) in str(error.value)


@pytest.mark.parametrize("key,value", [
    ("width", 0), ("width", 1), ("width", "8"), ("ct_blocks", 3), ("ct_blocks", (3,)),
])  # fmt: skip
def test_bad_inception_value_is_named(key, value):
    with pytest.raises(ConfigError, match=key):
        ctnet.create_model("ctnet_inception_v3", **{key: value})


@pytest.mark.parametrize("width", [2, 5, 48])
def test_inception_of_any_width_has_three_input_channels(width):
    assert ctnet.create_model("tsn_inception_v3", width=width).Conv2d_1a_3x3.conv.in_channels == 3


@pytest.mark.parametrize("sizes", [0, -2, (), (0, 8), (-8, -8), ("D", 2), (8.0, 8), "C", None], ids=str)
def test_bad_ct_config_sizes_raise(sizes):
    with pytest.raises(ConfigError, match="sizes"):
        CTConfig(sizes=sizes)


@pytest.mark.parametrize(
    "kernels", [3, (), ((),), ((FULL,), ()), (FULL, FULL), (((3, 3),),), (((3, 3, -3),),), (("abc",),)], ids=str
)
def test_bad_ct_config_kernels_raise(kernels):
    with pytest.raises(ConfigError, match="kernels"):
        CTConfig(kernels=kernels)


@pytest.mark.parametrize("channels,sizes", [(64, (-8, -8)), (64, (-1, -64)), (0, (0,)), (64, (64.0,)), ("64", (64,))])
def test_negative_or_fractional_module_sizes_raise(channels, sizes):
    with pytest.raises(ConfigError, match="at least 1"):
        CTModule(channels, sizes, ((FULL,),) * len(sizes))
    with pytest.raises(ConfigError, match="at least 1"):
        balanced_sizes(64, -2)
