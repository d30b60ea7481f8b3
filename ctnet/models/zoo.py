"""Names -> networks. One name for each variant of the paper's tables; a variant is data, not code."""

from contextlib import suppress
from dataclasses import fields, replace
from itertools import takewhile

from ctnet.errors import ConfigError, unknown
from ctnet.models.ct_module import FULL, PARALLEL, POINT, SPATIAL, TEMPORAL
from ctnet.models.inception import CHOSEN_SITES, InceptionConfig
from ctnet.models.network import CTConfig, FrameNetwork
from ctnet.models.resnet import EVERY_SECOND, ResNetConfig

R101 = (3, 4, 23, 3)
# 11 CT-blocks, as the paper's 145.5 GFLOPs demand; which seven of stage 4 is our choice
R101_BLOCKS = ((1,), (1, 3), (3, 6, 9, 12, 15, 18, 21), (1,))
ONES, FIVES = (POINT, POINT), ((1, 5, 5), (5, 1, 1))
FULL_MODULE = CTConfig(pointwise=True, excitation="te")


def resnet50(**ct) -> ResNetConfig:
    return ResNetConfig(ct_blocks=EVERY_SECOND, ct=CTConfig(**ct))


def blocks(*chosen: tuple[int, ...]) -> ResNetConfig:
    return ResNetConfig(ct_blocks=chosen)


ZOO: dict[str, ResNetConfig | InceptionConfig] = {
    # the networks of the comparisons (Tables 3-8)
    "ctnet_resnet50": ResNetConfig(ct_blocks=EVERY_SECOND, ct=FULL_MODULE),
    "ctnet_resnet101": ResNetConfig(depths=R101, ct_blocks=R101_BLOCKS, ct=FULL_MODULE),
    "ctnet_inception_v3": InceptionConfig(ct_blocks=CHOSEN_SITES, ct=FULL_MODULE),
    "tsn_resnet50": ResNetConfig(),
    "tsn_resnet101": ResNetConfig(depths=R101),
    "tsn_inception_v3": InceptionConfig(),
    "tsm_resnet50": ResNetConfig(shift=True),
    # Table 2a: special cases of one module (Section 3.3, Discussion)
    "c3d_resnet50": resnet50(sizes=1, kernels=((FULL,),)),
    "r2plus1d_resnet50": resnet50(sizes=("C", "C"), kernels=((SPATIAL,), (TEMPORAL,))),
    "csn_resnet50": resnet50(sizes=("C", 1), kernels=((POINT,), (FULL,))),
    "ct_resnet50": resnet50(),
    # Table 2b: number of sub-dimensions K
    "ct_resnet50_k1": resnet50(sizes=1, kernels=(PARALLEL,)),
    "ct_resnet50_k3": resnet50(sizes=3, kernels=(PARALLEL,) * 3),
    "ct_resnet50_k4": resnet50(sizes=4, kernels=(PARALLEL,) * 4),
    # Table 2c: connection of spatial and temporal convolution
    "ct_resnet50_coupling": resnet50(kernels=((FULL,), (FULL,))),
    "ct_resnet50_serial": resnet50(connect="serial"),
    # Table 2d: dimension size C_2
    "ct_resnet50_c2_1": resnet50(sizes=("rest", 1)),
    "ct_resnet50_c2_4": resnet50(sizes=("rest", 4)),
    "ct_resnet50_c2_16": resnet50(sizes=("rest", 16)),
    # Table 2e: number and location of CT-blocks, from the last stage up
    "ct_resnet50_blocks1": blocks((), (), (), (1,)),
    "ct_resnet50_blocks4": blocks((), (), (1, 3, 5), (1,)),
    "ct_resnet50_blocks6": blocks((), (1, 3), (1, 3, 5), (1,)),
    "ct_resnet50_blocks12": blocks((1, 2), (1, 2, 3), (1, 2, 3, 4, 5), (1, 2)),
    # Table 2f: kernel sizes of the two sub-operations
    "ct_resnet50_kernels_1_3": resnet50(kernels=(ONES, PARALLEL)),
    "ct_resnet50_kernels_1_5": resnet50(kernels=(ONES, FIVES)),
    "ct_resnet50_kernels_3_5": resnet50(kernels=(PARALLEL, FIVES)),
    "ct_resnet50_kernels_5_5": resnet50(kernels=(FIVES, FIVES)),
    # Table 2g: what is added to the CT-Module
    "ct_resnet50_pw": resnet50(pointwise=True),
    "ct_resnet50_pw_se": resnet50(pointwise=True, excitation="se"),
}


def list_models() -> list[str]:
    """Every name that `create_model` knows."""
    return list(ZOO)


def create_model(name: str, num_classes: int = 174, num_frames: int = 8, **overrides) -> FrameNetwork:
    """A network by name, with fresh weights: `create_model("ctnet_resnet50", num_classes=400, width=16)`.

    overrides are fields of its config (`ResNetConfig`, `InceptionConfig`); with fewer blocks (`depths`) the CT-blocks
    that remain stay. `num_frames` is what `cost` assumes; the network takes any number of frames. Raises ConfigError
    for an unknown name or key, with the near ones, for a bad value, and where `depths` leaves no CT-block.
    """
    network = configured(name, num_classes=num_classes, num_frames=num_frames, **overrides).build()
    network.name = name
    return network


def configured(name: str, **overrides) -> ResNetConfig | InceptionConfig:
    """The config of a name with its overrides; errors as of `create_model`."""
    if name not in ZOO:
        raise unknown("model", name, ZOO)
    config = ZOO[name]
    for key in overrides:
        if key not in {f.name for f in fields(config)}:
            raise unknown(f"key of {name}", key, (f.name for f in fields(config)))
    wanted = replace(config, **overrides)
    if "depths" in overrides and "ct_blocks" not in overrides:
        stages = zip(config.ct_blocks, wanted.depths, strict=False)
        wanted = replace(wanted, ct_blocks=tuple(tuple(i for i in chosen if i < depth) for chosen, depth in stages))
        if any(config.ct_blocks) and not any(wanted.ct_blocks):
            raise ConfigError(f"{name}: no CT-block is left with depths {wanted.depths}; give ct_blocks")
    return wanted


def same_as(name: str, **overrides) -> str | None:
    """The name before this one that gives the same network under these overrides: small depths leave variants alike."""
    for other in takewhile(lambda n: n != name, ZOO):
        with suppress(ConfigError):  # of names that have no such form
            if configured(other, **overrides) == configured(name, **overrides):
                return other
    return None
