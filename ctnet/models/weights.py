"""Foreign weights and our own files: one mapping of names for each source; all keys fit, or nothing is loaded."""

import json
import os
import re
from dataclasses import asdict, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from ctnet.data.transforms import MEAN, STD
from ctnet.errors import ConfigError, WeightsError
from ctnet.models.inception import InceptionConfig
from ctnet.models.resnet import CTConfig, FrameNetwork
from ctnet.models.zoo import R101, ZOO, create_model
from ctnet.paths import atomic

State = dict[str, Tensor]


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


def fill(model: nn.Module, state: State, source: str, keys: set[str] | None = None) -> nn.Module:
    """Loads `state` into the given keys of the model (default: all); all of them fit, or WeightsError and no change."""
    target = model.state_dict()
    keys = set(target) if keys is None else keys
    state = {k: v.reshape(target[k].shape) if squeezes(v, target.get(k)) else v for k, v in state.items()}
    wrong = {
        "missing": sorted(keys - set(state)),
        "extra": sorted(set(state) - keys),
        "misshapen": sorted(
            f"{k} {tuple(state[k].shape)} for {tuple(target[k].shape)}"
            for k in keys & set(state)
            if state[k].shape != target[k].shape
        ),
    }
    if any(wrong.values()):
        lists = "; ".join(f"{len(ks)} {kind}: {', '.join(ks)}" for kind, ks in wrong.items() if ks)
        raise WeightsError(f"{source}: does not fit the network, nothing was loaded; {lists}")
    model.load_state_dict({k: state[k] for k in keys}, strict=False)
    return model


def squeezes(value: Tensor, target: Tensor | None) -> bool:
    """A 3-D kernel (C, Ck, 1, h, w), (C, Ck, t, 1, 1) or 1-D one for its 2-D form: equal but for axes of size 1."""
    if target is None or value.shape == target.shape:
        return False
    return [s for s in value.shape if s != 1] == [s for s in target.shape if s != 1]


def save(model: FrameNetwork, path: str | Path, **facts):
    """A safetensors file with all that `load` needs: the name, the config, and facts such as `classes`.

    Raises WeightsError where it cannot be written or the network has no name.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    name = getattr(model, "name", None)
    if name not in ZOO:
        raise WeightsError(f"{path}: a network without a name of the zoo cannot be saved; make it with create_model")
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    try:
        with atomic(path) as part:
            save_file(state, part, {"ctnet": json.dumps({"model": name, "config": asdict(model.config), **facts})})
            os.umask(mask := os.umask(0))
            part.chmod(0o666 & ~mask)  # safetensors lets nobody else read its files
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be written ({error})") from error


def transfer(model: FrameNetwork, path: str | Path) -> FrameNetwork:
    """All but the last layer of a file of `save` -> `model`, of the same name, whatever the number of classes.

    Raises WeightsError where they do not fit; then `model` is as it was.
    """
    state, _ = read(path)
    return fill(model, {k: v for k, v in state.items() if not k.startswith("fc.")}, str(path), body(model))


def body(model: FrameNetwork) -> set[str]:
    """The keys of all but the last layer."""
    return {k for k in model.state_dict() if not k.startswith("fc.")}


def read(path: str | Path) -> tuple[State, dict]:
    """Tensors and facts of a safetensors file; WeightsError where it is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get("ctnet", "{}"))
            return {k: file.get_tensor(k) for k in file.keys()}, facts  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: not a file of our weights (safetensors), which `train` and ctnet.save write, or a damaged one"
        ) from error


def load(path: str | Path) -> FrameNetwork:
    """A network from a file of `save`, in eval mode; `.classes` and `.protocol` are set if the file names them.

    Raises WeightsError where the file is none of `save` or holds another network than it says.
    """
    from ctnet.protocol import Protocol

    state, facts = read(path)
    if not isinstance(facts, dict) or facts.get("model") not in list(ZOO):
        raise WeightsError(f"{path}: does not say which network of ctnet it holds")
    if not isinstance(facts.get("config"), dict):
        raise WeightsError(f"{path}: does not say how its {facts['model']} is built (no config)")
    known = {f.name for f in fields(ZOO[facts["model"]])}
    config = {k: freeze(v) for k, v in facts["config"].items() if k in known}
    try:
        if "ct" in config:
            config["ct"] = CTConfig(**{k: freeze(v) for k, v in config["ct"].items()})
        model = create_model(facts["model"], **config)
        protocol = Protocol(**facts["protocol"]) if "protocol" in facts else None
    except (ConfigError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: says how its network is built, but not in a way known here ({error})") from error
    model = fill(model, state, str(path)).eval()
    model.classes, model.protocol = facts.get("classes"), protocol
    return model


def freeze(value):
    """JSON's lists back into the tuples of a config."""
    return tuple(map(freeze, value)) if isinstance(value, list) else value
