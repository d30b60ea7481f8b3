"""The prediction for one video: as a list of classes, and drawn over the frames that the network saw."""

import reprlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ctnet.clips import normalize
from ctnet.data import transforms
from ctnet.data.sampling import sample
from ctnet.data.video import count_frames, read_frames
from ctnet.errors import ConfigError, VideoError
from ctnet.inference import drawing
from ctnet.inference.saliency import saliency
from ctnet.models.network import FrameNetwork
from ctnet.protocol import Protocol


def predict(
    network: nn.Module,
    video: str | Path,
    protocol: Protocol | None = None,
    k: int = 5,
    classes: Sequence[str] | None = None,
    save: str | Path | None = None,
) -> list[tuple[str, float]]:
    """The k likeliest classes of a video file, (label, probability), likeliest first.

    protocol: how clips are taken (default: 8x1x1 at the size given in the network's file, else 256) · classes: names;
    by default those in the network's file, else "class 0", ... · save: a file for the frames that were picked, under
    the likeliest class, its probability and its saliency (`drawing.save`): .png or .jpg for the frames in a row, .mp4
    or .gif for one after the other; of several views the first clip's central crop. Raises VideoError with the path
    and the reason; before anything is read ConfigError for another suffix, or what is no network.
    """
    if save:
        drawing.check(save)
    protocol, classes = terms(network, protocol, classes)
    if k < 1:
        raise ConfigError(f"the number of classes to name must be at least 1, not {k}")
    views = read_views(video, protocol)
    best = probabilities(network, views).topk(min(k, len(classes)))
    found = [(classes[i], p) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]
    if save:
        clip, (label, probability) = views[protocol.crops // 2], found[0]
        drawing.save(save, clip, saliency(network, clip, int(best.indices[0])), f"{label}  {probability:.1%}")
    return found


def terms(network: nn.Module, protocol: Protocol | None, classes: Sequence[str] | None):
    """The protocol and the class names that are given, or else those of the network's file. ConfigError: no network."""
    if not isinstance(getattr(network, "_orig_mod", network), FrameNetwork):  # what torch.compile made of one is too
        what = reprlib.repr(network) if isinstance(network, str | Path) else f"a {type(network).__name__}"
        raise ConfigError(f"a network of ctnet is needed, such as ctnet.load('weights.safetensors'), not {what}")
    protocol = protocol or getattr(network, "protocol", None) or Protocol()
    classes = classes or getattr(network, "classes", None) or [f"class {i}" for i in range(network.fc.out_features)]
    if len(classes) != network.fc.out_features:
        raise ConfigError(f"{len(classes)} class names do not fit a network of {network.fc.out_features} classes")
    return protocol, classes


@torch.inference_mode()
def probabilities(network: nn.Module, views: Tensor) -> Tensor:
    """(views, C, T, H, W) uint8 of one video -> (classes,): softmax of the mean of the logits, as in the release."""
    views = views.to(next(network.parameters()).device)
    return network.eval()(normalize(views)).float().mean(0).softmax(0)


def read_views(video: str | Path, protocol: Protocol) -> Tensor:
    """The views of one video: uint8 (views, C, T, size, size). VideoError with the path and the reason."""
    if not (count := count_frames(video)):
        raise VideoError(f"{video}: no frames in it")
    places = sample(count, protocol.frames, protocol.clips, protocol.sampling)
    clip = read_frames(video, places.flatten().tolist()).permute(3, 0, 1, 2)
    return transforms.test_views(clip, protocol.clips, protocol.crops, protocol.size, protocol.short_side)
