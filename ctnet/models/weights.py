"""Our own weight files (safetensors), and the rule for all weights: every key fits, or nothing is loaded."""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path

from torch import Tensor, nn

from ctnet.errors import ConfigError, WeightsError, unknown
from ctnet.models.network import CTConfig, FrameNetwork, as_tuple
from ctnet.models.zoo import ZOO, create_model
from ctnet.paths import atomic, weights_root
from ctnet.protocol import Protocol

State = dict[str, Tensor]
SHOWN = 5  # names of keys of each kind in an error


def save(model: FrameNetwork, path: str | Path, **facts) -> None:
    """Write a network to a safetensors file that holds all that `load` needs.

    Args:
        model: Made by `create_model`.
        path: The file; its folder must exist.
        **facts: Further entries of the file, as JSON values: `classes`, a list of labels, and `protocol`, the fields of
            a `Protocol` as a dict, become attributes in `load`.

    Raises:
        WeightsError: The file cannot be written, or the network has no name.

    Example:
        >>> save(create_model("tsn_resnet50", num_classes=2), "net.safetensors", classes=["left", "right"])
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    name = getattr(model, "name", None)
    if name not in ZOO:
        raise WeightsError(f"{path}: a network without a name cannot be saved; make it with create_model")
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    try:
        with atomic(path) as part:
            save_file(state, part, {"ctnet": json.dumps({"model": name, "config": asdict(model.config), **facts})})
            os.umask(mask := os.umask(0))
            part.chmod(0o666 & ~mask)  # safetensors lets only the owner read its files
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be written ({error})") from error


def load(path: str | Path) -> FrameNetwork:
    """Read a network from a file of `save`.

    Args:
        path: The file.

    Returns:
        The network in eval mode, with the attributes `classes`, a list of labels, and `protocol`, a `Protocol`; each
        is None if the file does not have it.

    Raises:
        WeightsError: The file does not come from `save`, or its weights do not fit the network that it names.

    Example:
        >>> network = load("net.safetensors")
        >>> network.classes
        ['left', 'right']
    """
    state, facts = read(path)
    if not isinstance(facts, dict) or facts.get("model") not in list(ZOO):
        raise WeightsError(f"{path}: does not say which network of ctnet it holds")
    if not isinstance(facts.get("config"), dict):
        raise WeightsError(f"{path}: does not say how its {facts['model']} is built (no config)")
    known = {f.name for f in fields(ZOO[facts["model"]])}
    config = {k: as_tuple(v) for k, v in facts["config"].items() if k in known}
    try:
        if "ct" in config:
            config["ct"] = CTConfig(**{k: as_tuple(v) for k, v in config["ct"].items()})
        model = create_model(facts["model"], **config)
        protocol = Protocol(**facts["protocol"]) if "protocol" in facts else None
    except (ConfigError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: its config or protocol is not valid in this version of ctnet ({error})") from error
    model = fill(model, state, str(path)).eval()
    model.classes, model.protocol = facts.get("classes"), protocol
    return model


def shipped(name: str) -> Path:
    """The weights of a small network that are part of the repository: seed 0 at the cpu scale, on MotionPairs.

    Args:
        name: Name of a network.

    Returns:
        Its file, for `load`.

    Raises:
        ConfigError: None are shipped for this network; the message names those that are.

    Example:
        >>> ctnet.load(ctnet.models.weights.shipped("ctnet_resnet50")).classes[0]
        'pan left'
    """
    known = {path.stem: path for path in sorted(weights_root().glob("*.safetensors"))}
    if name not in known:
        raise unknown("network with weights in data/weights", name, known)
    return known[name]


def transfer(model: FrameNetwork, path: str | Path) -> FrameNetwork:
    """Load all but the last layer of a file of `save`, whatever its number of classes.

    Args:
        model: A network with the same name and config as the one in the file.
        path: The file.

    Returns:
        `model`.

    Raises:
        WeightsError: The weights do not fit; `model` is unchanged.
    """
    state, _ = read(path)
    return fill(model, {k: v for k, v in state.items() if not k.startswith("fc.")}, str(path), body(model))


def read(path: str | Path, content: str | None = None) -> tuple[State, dict]:
    """The tensors and the facts in a safetensors file.

    Args:
        path: The file.
        content: Hash of the clips that its network must have been trained on. Default: any.

    Returns:
        (weights by key, facts).

    Raises:
        WeightsError: The file cannot be read as one, or its network was trained on other clips.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get("ctnet", "{}"))
            state = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path}: not a file of our weights (safetensors, as `train` and ctnet.save write them), or a damaged one"
        ) from error
    made_of = facts.get("course", {}).get("content") if isinstance(facts, dict) else None
    if content and made_of and content != made_of:
        raise WeightsError(
            f"{path}: was trained on other clips than the data set holds now; "
            "prepare the set under another name, or run it fresh"
        )
    return state, facts


def body(model: FrameNetwork) -> set[str]:
    """The keys of all but the last layer."""
    return {k for k in model.state_dict() if not k.startswith("fc.")}


def fill(model: nn.Module, state: State, source: str, keys: set[str] | None = None) -> nn.Module:
    """Load weights, if all keys and shapes fit.

    Args:
        model: The network; a 3-D or 1-D kernel fits its 2-D form if they differ only in axes of size 1.
        state: The weights.
        source: Where they come from, for the message.
        keys: The keys of the network that `state` must have; by default all of them.

    Returns:
        `model`.

    Raises:
        WeightsError: Keys are missing, extra or have another shape; `model` is unchanged. The message counts them and
            names the first few.
    """
    target = model.state_dict()
    keys = set(target) if keys is None else keys
    state = {k: v.reshape(target[k].shape) if _squeezes(v, target.get(k)) else v for k, v in state.items()}
    wrong = {
        "missing": [k for k in target if k in keys and k not in state],
        "extra": [k for k in state if k not in keys],
        "misshapen": [
            f"{k} {tuple(state[k].shape)} for {tuple(target[k].shape)}"
            for k in target
            if k in keys and k in state and state[k].shape != target[k].shape
        ],
    }
    if any(wrong.values()):
        lists = "; ".join(f"{len(names)} {kind}: {_first(names)}" for kind, names in wrong.items() if names)
        raise WeightsError(f"{source}: does not fit the network, nothing was loaded; {lists}")
    model.load_state_dict({k: state[k] for k in keys}, strict=False)
    return model


def _squeezes(value: Tensor, target: Tensor | None) -> bool:
    """Whether two shapes differ, but only in axes of size 1."""
    if target is None or value.shape == target.shape:
        return False
    return [s for s in value.shape if s != 1] == [s for s in target.shape if s != 1]


def _first(names: list[str]) -> str:
    """The first few names and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
