"""Foreign weights and our own files: one mapping of names for each source; all keys fit, or nothing is loaded."""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path

from torch import Tensor, nn

from ctnet.errors import ConfigError, WeightsError
from ctnet.models.network import CTConfig, FrameNetwork
from ctnet.models.zoo import ZOO, create_model
from ctnet.paths import atomic

State = dict[str, Tensor]


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
