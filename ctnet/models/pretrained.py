"""Weights that others trained: the authors' checkpoint of CT-Net, and ImageNet backbones of torchvision."""

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from ctnet.clips import MEAN, STD
from ctnet.errors import WeightsError
from ctnet.models.inception import InceptionConfig
from ctnet.models.network import FrameNetwork
from ctnet.models.weights import State, body, fill
from ctnet.models.zoo import R101, create_model


def load_released(path: str | Path, model: nn.Module | None = None) -> nn.Module:
    """Load the authors' checkpoint of CT-Net on ResNet-50.

    The file is read without running code from it (`weights_only`).

    Args:
        path: The checkpoint.
        model: The network to load it into; by default a new `ctnet_resnet50` with as many classes.

    Returns:
        The network.

    Raises:
        WeightsError: The file cannot be read, or keys are missing, extra or have another shape; `model` is unchanged.

    Example:
        >>> network = load_released("ct_net_8f_r50.pth.tar").eval()
    """
    state = read_state(path)
    state = {_rename(k.removeprefix("module.")): v for k, v in state.items() if not _is_counter(k)}
    if model is None:
        if "fc.bias" not in state:
            raise WeightsError(f"{path}: no last layer (new_fc or base_model.fc) in it; is it the authors' checkpoint?")
        model = create_model("ctnet_resnet50", num_classes=len(state["fc.bias"]))
    return fill(model, state, source=str(path))


def load_imagenet(model: FrameNetwork, weights: State | str | Path = "torchvision") -> FrameNetwork:
    """Load a 2-D ImageNet backbone of torchvision into all layers that it shares with a network.

    CT-Modules and the last layer keep their weights.

    Args:
        model: A network on ResNet-50, ResNet-101 or InceptionV3.
        weights: A state dict, a file, or "torchvision" for torchvision's own weights, which are downloaded once.

    Returns:
        `model`.

    Raises:
        WeightsError: The weights cannot be downloaded or read, or they do not fit; `model` is unchanged.

    Example:
        >>> network = load_imagenet(create_model("ctnet_resnet50"), "resnet50-0676ba61.pth")
    """
    name = backbone(model)
    if isinstance(weights, dict):
        state, source = weights, f"ImageNet weights of {name}"
    else:
        source = _download(name) if weights == "torchvision" else weights
        state = read_state(source)
    state = {k: v for k, v in state.items() if not k.startswith(("fc.", "AuxLogits."))}
    replaced = [n for n, m in model.named_modules() if getattr(m, "ct", None) is not None]
    gone = tuple(f"{block}.{layer}." for block in replaced for layer in ("conv2", "bn2", "conv", "bn"))
    state = {k: v for k, v in state.items() if not k.startswith(gone)}
    if "inception" in name:
        state = to_imagenet_normalisation(state)
    return fill(model, state, str(source), {k for k in body(model) if ".ct." not in k})


def read_state(path: str | Path) -> State:
    """Return the state dict in a file of torch, at its top or under "state_dict"; WeightsError without one."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # damaged bytes can raise anything
        raise WeightsError(
            f"{path}: not a file of plain weights: it is damaged, or holds something other than tensors, and is not "
            "read, since such a file can run code; save only its state_dict, or get the file again"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: holds no state_dict of tensors")
    return state


def _is_counter(key: str) -> bool:
    """Whether a key is one that a FLOP counter left in the released file."""
    return key.endswith(("total_ops", "total_params"))


# names inside `conv2` of a released CT-block -> names inside our `ct`
_RELEASED = {
    "conv1_x.0": "ops.0.branches.0.conv", "conv1_x.1": "ops.0.branches.0.bn",
    "conv1_z.0": "ops.0.branches.1.conv", "conv1_z.1": "ops.0.branches.1.bn",
    "conv2_y.0": "ops.1.branches.0.conv", "conv2_y.1": "ops.1.branches.0.bn",
    "conv2_z.0": "ops.1.branches.1.conv", "conv2_z.1": "ops.1.branches.1.bn",
    "fusion.0": "pointwise.0.conv", "fusion.1": "pointwise.0.bn",
    "sx_attention": "ops.0.excite_branches.0", "tx_attention": "ops.0.excite_branches.1",
    "cx_attention": "ops.0.excite",
    "sy_attention": "ops.1.excite_branches.0", "ty_attention": "ops.1.excite_branches.1",
    "cy_attention": "ops.1.excite",
    "fc1.0": "squeeze.conv", "fc1.1": "squeeze.bn", "fc2.0": "expand.conv",
}  # fmt: skip


def _rename(key: str) -> str:
    """`base_model.layer1.1.conv2.conv1_x.0.weight` -> `layer1.1.ct.ops.0.branches.0.conv.weight`."""
    key = key.removeprefix("base_model.")
    if key.startswith("new_fc."):
        return key.removeprefix("new_")
    block, dot, rest = key.partition(".conv2.")
    if dot and not rest.startswith(("weight", "bias")):
        for theirs, ours in _RELEASED.items():
            rest = re.sub(rf"(^|(?<=\.)){re.escape(theirs)}(?=\.)", ours, rest)
        return f"{block}.ct.{rest}"
    return re.sub(r"\.conv([13])\.([01])\.", lambda m: f".{('conv', 'bn')[int(m[2])]}{m[1]}.", key)


def backbone(model: FrameNetwork) -> str:
    """torchvision's name of the backbone of a network."""
    if isinstance(model.config, InceptionConfig):
        return "inception_v3"
    return "resnet101" if tuple(model.config.depths) == R101 else "resnet50"


def _download(name: str) -> Path:
    """The file of an ImageNet backbone in the folder of torch.hub, downloaded and its hash checked if it is not there.

    The weights are IMAGENET1K_V1, the only ones when the paper was written. An existing file is not
    downloaded again, so on a machine without a network a copy is enough.
    """
    from torchvision.models import get_model_weights

    url = get_model_weights(name).IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2])
        except (OSError, RuntimeError) as error:  # RuntimeError: wrong hash
            raise WeightsError(
                f"ImageNet weights of {name} could not be fetched ({error}): "
                f"put {url} at {path}, or give a file that holds them"
            ) from error
    return path


def to_imagenet_normalisation(state: State) -> State:
    """Make torchvision's InceptionV3, which takes RGB in [-1, 1], take clips with ImageNet's normalisation.

    The change is one affine map per colour. The first convolution, which has no padding, takes over its scale, and the
    batch norm after it its offset, so the outputs are the same.
    """
    weight = state.get("Conv2d_1a_3x3.conv.weight")
    mean = state.get("Conv2d_1a_3x3.bn.running_mean")
    if weight is None or mean is None:
        return state
    std, offset = weight.new_tensor(STD) / 0.5, (weight.new_tensor(MEAN) - 0.5) / 0.5
    shift = torch.einsum("oihw,i->o", weight, offset)
    return state | {
        "Conv2d_1a_3x3.conv.weight": weight * std[:, None, None],
        "Conv2d_1a_3x3.bn.running_mean": mean - shift,
    }
