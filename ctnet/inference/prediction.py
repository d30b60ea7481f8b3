"""The prediction for one video: a list of classes, or a picture of the frames that the network saw."""

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
    """Return the most likely classes of a video.

    Args:
        network: A network of ctnet, such as `ctnet.load` returns.
        video: A video file, or a folder of its frames as images.
        protocol: How clips are taken; by default as the network's file says, else 8x1x1@256.
        k: How many classes to return.
        classes: Their names; by default those in the network's file, else "class 0", "class 1", ...
        save: A file for the sampled frames with the most likely class, its probability and its saliency: .png or .jpg
            for frames in a row, .mp4 or .gif for a video (`drawing.save`). With several views, the centre crop of the
            first clip is drawn.

    Returns:
        Pairs of a name and a probability, most likely first.

    Raises:
        ConfigError: If `network` is something else, names or `k` do not fit, or `save` cannot be written. Nothing is
            read then.
        VideoError: If the video cannot be read; the message starts with its path.

    Example:
        >>> network = ctnet.load("weights.safetensors")
        >>> ctnet.predict(network, "video.mp4", k=1)
        [('rolling left', 0.914)]
    """
    if save:
        drawing.check(save)
    protocol, classes = _protocol_and_classes(network, protocol, classes)
    if k < 1:
        raise ConfigError(f"the number of classes to name must be at least 1, not {k}")
    views = read_views(video, protocol)
    best = probabilities(network, views).topk(min(k, len(classes)))
    found = [(classes[i], p) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]
    if save:
        clip, (label, probability) = views[protocol.crops // 2], found[0]
        drawing.save(save, clip, saliency(network, clip, int(best.indices[0])), f"{label}  {probability:.1%}")
    return found


def _protocol_and_classes(network: nn.Module, protocol: Protocol | None, classes: Sequence[str] | None):
    """Return the given protocol and class names, or else those of the network's file; check that they fit."""
    if not isinstance(getattr(network, "_orig_mod", network), FrameNetwork):  # torch.compile keeps it in _orig_mod
        what = reprlib.repr(network) if isinstance(network, str | Path) else f"a {type(network).__name__}"
        raise ConfigError(f"a network of ctnet is needed, such as ctnet.load('weights.safetensors'), not {what}")
    protocol = protocol or getattr(network, "protocol", None) or Protocol()
    classes = classes or getattr(network, "classes", None) or [f"class {i}" for i in range(network.fc.out_features)]
    if len(classes) != network.fc.out_features:
        raise ConfigError(f"{len(classes)} class names do not fit a network of {network.fc.out_features} classes")
    return protocol, classes


@torch.inference_mode()
def probabilities(network: nn.Module, views: Tensor) -> Tensor:
    """Return the probabilities of a video's classes: the softmax of its mean logits, as in the authors' release.

    Args:
        network: A classifier; it is set to eval mode.
        views: (views, 3, T, H, W), uint8, of one video.

    Returns:
        (classes,), float32.
    """
    views = views.to(next(network.parameters()).device)
    return network.eval()(normalize(views)).float().mean(0).softmax(0)


def read_views(video: str | Path, protocol: Protocol) -> Tensor:
    """Read the views of one video.

    Args:
        video: A video file, or a folder of its frames as images.
        protocol: Frames, clips, crops, size and sampling.

    Returns:
        (clips x crops, 3, T, size, size), uint8.

    Raises:
        VideoError: If the video cannot be read; the message starts with its path.
    """
    if not (count := count_frames(video)):
        raise VideoError(f"{video}: no frames in it")
    places = sample(count, protocol.frames, protocol.clips, protocol.sampling)
    clip = read_frames(video, places.flatten().tolist()).permute(3, 0, 1, 2)
    return transforms.test_views(clip, protocol.clips, protocol.crops, protocol.size, protocol.short_side)
