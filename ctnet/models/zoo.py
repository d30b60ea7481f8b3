"""The names of the networks: one for each variant in the paper's tables, each a config."""

from contextlib import suppress
from dataclasses import fields, replace
from itertools import takewhile

from ctnet.errors import ConfigError, unknown
from ctnet.models.ct_module import FULL, PARALLEL, POINT, SPATIAL, TEMPORAL
from ctnet.models.inception import CHOSEN_SITES, InceptionConfig
from ctnet.models.network import CTConfig, FrameNetwork, as_tuple
from ctnet.models.resnet import EVERY_SECOND, ResNetConfig

R101 = (3, 4, 23, 3)
# The paper's 145.5 GFLOPs need 11 CT-blocks. It does not say which seven blocks of the third stage they are; ours is a
# choice.
R101_BLOCKS = ((1,), (1, 3), (3, 6, 9, 12, 15, 18, 21), (1,))
ONES, FIVES = (POINT, POINT), ((1, 5, 5), (5, 1, 1))
FULL_MODULE = CTConfig(pointwise=True, excitation="te")


def _resnet50(**ct) -> ResNetConfig:
    """The seven CT-blocks of ResNet-50, with these options of the module."""
    return ResNetConfig(ct_blocks=EVERY_SECOND, ct=CTConfig(**ct))


def _blocks(*chosen: tuple[int, ...]) -> ResNetConfig:
    """The module of Table 2a in these blocks of each stage."""
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
    "c3d_resnet50": _resnet50(sizes=1, kernels=((FULL,),)),
    "r2plus1d_resnet50": _resnet50(sizes=("C", "C"), kernels=((SPATIAL,), (TEMPORAL,))),
    "csn_resnet50": _resnet50(sizes=("C", 1), kernels=((POINT,), (FULL,))),
    "ct_resnet50": _resnet50(),
    # Table 2b: number of sub-dimensions K
    "ct_resnet50_k1": _resnet50(sizes=1, kernels=(PARALLEL,)),
    "ct_resnet50_k3": _resnet50(sizes=3, kernels=(PARALLEL,) * 3),
    "ct_resnet50_k4": _resnet50(sizes=4, kernels=(PARALLEL,) * 4),
    # Table 2c: connection of spatial and temporal convolution
    "ct_resnet50_coupling": _resnet50(kernels=((FULL,), (FULL,))),
    "ct_resnet50_serial": _resnet50(connect="serial"),
    # Table 2d: dimension size C_2
    "ct_resnet50_c2_1": _resnet50(sizes=("rest", 1)),
    "ct_resnet50_c2_4": _resnet50(sizes=("rest", 4)),
    "ct_resnet50_c2_16": _resnet50(sizes=("rest", 16)),
    # Table 2e: number and location of CT-blocks, from the last stage up; seven of them are ct_resnet50
    "ct_resnet50_blocks1": _blocks((), (), (), (1,)),
    "ct_resnet50_blocks4": _blocks((), (), (1, 3, 5), (1,)),
    "ct_resnet50_blocks6": _blocks((), (1, 3), (1, 3, 5), (1,)),
    "ct_resnet50_blocks12": _blocks((1, 2), (1, 2, 3), (1, 2, 3, 4, 5), (1, 2)),
    # Table 2f: kernel sizes of the two sub-operations
    "ct_resnet50_kernels_1_3": _resnet50(kernels=(ONES, PARALLEL)),
    "ct_resnet50_kernels_1_5": _resnet50(kernels=(ONES, FIVES)),
    "ct_resnet50_kernels_3_5": _resnet50(kernels=(PARALLEL, FIVES)),
    "ct_resnet50_kernels_5_5": _resnet50(kernels=(FIVES, FIVES)),
    # Table 2g: what is added to the CT-Module
    "ct_resnet50_pw": _resnet50(pointwise=True),
    "ct_resnet50_pw_se": _resnet50(pointwise=True, excitation="se"),
}


def list_models() -> list[str]:
    """Names of all networks.

    Returns:
        The names that `create_model` knows: the networks of Tables 3 to 8, then the variants of Table 2.

    Example:
        >>> list_models()[0]
        'ctnet_resnet50'
    """
    return list(ZOO)


def create_model(name: str, num_classes: int = 174, num_frames: int = 8, **overrides) -> FrameNetwork:
    """Make a network by name, with fresh weights.

    Args:
        name: One of `list_models()`.
        num_classes: Number of logits.
        num_frames: Frames T that `ctnet.cost` assumes; the network takes any number.
        **overrides: Other fields of its `ResNetConfig` or `InceptionConfig`. Where `depths` leaves fewer blocks, the
            CT-blocks among them stay.

    Returns:
        A network that maps clips (N, 3, T, H, W) to logits (N, num_classes).

    Raises:
        ConfigError: The name or a key is unknown (the message has similar ones), a value is bad, or `depths` leaves no
            CT-block.

    Example:
        >>> network = create_model("ctnet_resnet50", num_classes=400, width=16)
    """
    network = configured(name, num_classes=num_classes, num_frames=num_frames, **overrides).build()
    network.name = name
    return network


def configured(name: str, **overrides) -> ResNetConfig | InceptionConfig:
    """The config of a name with its overrides; arguments and errors are those of `create_model`."""
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


def signature(name: str, **overrides) -> tuple:
    """What a network is, as a value: two names have equal signatures where they are the same network.

    It has the width, depths, shift, dropout and classes, and for each CT-block its name and the module at its number of
    channels: sizes, kernels, connection, point-wise convolution and excitation. An option that changes nothing there
    does not count, see `CTConfig.resolve`. `num_frames` does not count either, nor the module if no block holds it.

    Args:
        name: One of `list_models()`.
        **overrides: As in `create_model`.

    Returns:
        A hashable value.

    Raises:
        ConfigError: There is no such network under these overrides.
    """
    config = configured(name, **overrides)
    modules = tuple((site, config.ct.resolve(c_out, c_in)) for site, (c_in, c_out) in config.ct_sites().items())
    rest = {f.name: as_tuple(getattr(config, f.name)) for f in fields(config)}
    for key in ("ct", "ct_blocks", "num_frames"):
        del rest[key]
    return type(config).__name__, tuple(rest.items()), modules


def same_network(a: str, b: str, **overrides) -> bool:
    """Whether two names give the same network under the same overrides, as some do at small depths and widths.

    Args:
        a: One of `list_models()`.
        b: Another.
        **overrides: As in `create_model`.

    Raises:
        ConfigError: One of them has no such network. Then there is nothing to compare, so the answer is not False.

    Example:
        >>> same_network("ct_resnet50", "ct_resnet50_blocks12", depths=(2, 2, 2))
        True
    """
    return signature(a, **overrides) == signature(b, **overrides)


def same_as(name: str, **overrides) -> str | None:
    """Return the first earlier name in `list_models()` that gives the same network, or None.

    Names that have no such network under these overrides are left out; the result is None if `name` itself has none.
    """
    for other in takewhile(lambda n: n != name, ZOO):
        with suppress(ConfigError):
            if same_network(other, name, **overrides):
                return other
    return None
