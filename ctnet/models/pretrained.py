"""TODO."""

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
    """The authors' checkpoint of CT-Net-R50 -> `model` (default: a fresh ctnet_resnet50 of as many classes).

    Reads with `weights_only`, so the file runs no code. Raises WeightsError that lists missing, extra and misshapen
    keys; then `model` is as it was.
    """
    state = read_state(path)
    state = {rename_released(k.removeprefix("module.")): v for k, v in state.items() if not is_counter(k)}
    if model is None:
        if "fc.bias" not in state:
            raise WeightsError(f"{path}: no last layer (new_fc or base_model.fc) in it; is it the authors' checkpoint?")
        model = create_model("ctnet_resnet50", num_classes=len(state["fc.bias"]))
    return fill(model, state, source=str(path))


def read_state(path: str | Path) -> State:
    """A dict of tensors from a file, from under "state_dict" if there is one."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # unpicklers raise whatever the bytes make them
        raise WeightsError(
            f"{path}: not a file of plain weights: it is damaged, or holds something other than tensors, and is not "
            "read, since such a file can run code; save its state_dict alone, or take the whole file"
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path}: holds no state_dict of tensors")
    return state


def is_counter(key: str) -> bool:
    """What a FLOP counter left in the released file."""
    return key.endswith(("total_ops", "total_params"))


# the release's names inside `conv2` of a CT-block -> ours
RELEASED = {
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


def rename_released(key: str) -> str:
    """`base_model.layer1.1.conv2.conv1_x.0.weight` -> `layer1.1.ct.ops.0.branches.0.conv.weight`."""
    key = key.removeprefix("base_model.")
    if key.startswith("new_fc."):
        return key.removeprefix("new_")
    block, dot, rest = key.partition(".conv2.")
    if dot and not rest.startswith(("weight", "bias")):
        for theirs, ours in RELEASED.items():
            rest = re.sub(rf"(^|(?<=\.)){re.escape(theirs)}(?=\.)", ours, rest)
        return f"{block}.ct.{rest}"
    return re.sub(r"\.conv([13])\.([01])\.", lambda m: f".{('conv', 'bn')[int(m[2])]}{m[1]}.", key)


def backbone(model: FrameNetwork) -> str:
    """torchvision's name of what `model` is built on."""
    if isinstance(model.config, InceptionConfig):
        return "inception_v3"
    return "resnet101" if tuple(model.config.depths) == R101 else "resnet50"


def load_imagenet(model: FrameNetwork, weights: State | str | Path = "torchvision") -> FrameNetwork:
    """A 2-D ImageNet backbone of torchvision -> the parts of `model` that have the same names.

    weights: a state dict, a file, or "torchvision" for its own (`fetch`). The last layer and InceptionV3's auxiliary
    head are left out, CT-Modules and the last layer of `model` keep their fresh weights. Raises WeightsError.
    """
    name = backbone(model)
    if isinstance(weights, dict):
        state, source = weights, f"ImageNet weights of {name}"
    else:
        source = fetch(name) if weights == "torchvision" else weights
        state = read_state(source)
    state = {k: v for k, v in state.items() if not k.startswith(("fc.", "AuxLogits."))}
    replaced = [f"{n}." for n, m in model.named_modules() if getattr(m, "ct", None) is not None]
    gone = tuple(f"{r}{layer}." for r in replaced for layer in ("conv2", "bn2", "conv", "bn"))
    state = {k: v for k, v in state.items() if not k.startswith(gone)}
    if "inception" in name:
        state = to_imagenet_normalisation(state)
    return fill(model, state, str(source), {k for k in body(model) if ".ct." not in k})


def fetch(name: str) -> Path:
    """torchvision's file of an ImageNet backbone: where torch.hub keeps it, or fetched to there and its hash checked.

    The weights are IMAGENET1K_V1, the only ones when the paper was written; the default of the ResNets is by now
    IMAGENET1K_V2, of a longer recipe. A file that lies there is read as it is, so a machine
    without a network is served by a copy. Raises WeightsError with the address and the place.
    """
    from torchvision.models import get_model_weights

    url = get_model_weights(name).IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2])
        except (OSError, RuntimeError) as error:  # RuntimeError: what came has another hash
            raise WeightsError(
                f"ImageNet weights of {name} could not be fetched ({error}): "
                f"put {url} at {path}, or give a file that holds them"
            ) from error
    return path


def to_imagenet_normalisation(state: State) -> State:
    """torchvision's InceptionV3 wants RGB in [-1, 1]; the change from ImageNet's mean and deviation is one affine map
    per channel, which its first, unpadded convolution and the BN after it take over exactly."""
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
