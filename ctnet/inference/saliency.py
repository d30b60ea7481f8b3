"""Saliency Tubes (Stergiou et al., ICIP 2019): where and when a network sees evidence for a class (Figure 3)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctnet.clips import normalize
from ctnet.errors import ConfigError, explain_missing_packages


@torch.inference_mode()
def class_map(network: nn.Module, clip: Tensor, label: int | None = None) -> Tensor:
    """Return the evidence for a class at each position of the last convolutional layer.

        M(t, y, x) = sum over c of w_c A_c(t, y, x)

    A (C, T, h, w) are the activations that are pooled, w (C,) the weights of the class in the last layer. After A the
    network only averages, so the mean of M is the logit minus the bias of the class. For this to hold, channels with
    small weights count too; the paper allows a threshold that drops them.

    Args:
        network: A network of the zoo, or any with `avgpool` and `fc`; fused or not. It is set to eval mode.
        clip: (3, T, H, W), uint8 or normalised.
        label: Number of the class; by default the one with the largest logit.

    Returns:
        M, (T, h, w).

    Raises:
        ConfigError: If `clip` is not one clip, or the network has no such class.

    Example:
        >>> class_map(network, clip).shape
        torch.Size([8, 7, 7])
    """
    if clip.dim() != 4:
        raise ConfigError(f"one clip is needed, (3, T, H, W), not {tuple(clip.shape)}")
    last: list[Tensor] = []
    clip = clip.to(next(network.parameters()).device)
    hook = network.avgpool.register_forward_pre_hook(lambda _, inputs: last.append(inputs[0]))
    try:
        logits = network.eval()((normalize(clip) if clip.dtype == torch.uint8 else clip)[None])[0]
    finally:
        hook.remove()
    label = int(logits.argmax()) if label is None else label
    if not 0 <= label < len(logits):
        raise ConfigError(f"there is no class {label}: the network has {len(logits)} classes, counted from 0")
    return torch.einsum("c,tchw->thw", network.fc.weight[label], last[0])


def saliency(network: nn.Module, clip: Tensor, label: int | None = None) -> np.ndarray:
    """Return the Saliency Tube of a class: the class map, scaled up to the frames and to the range from 0 to 1.

    0 and 1 are the smallest and the largest value of this clip, so they do not say how sure the network is. A constant
    map becomes 0 everywhere.

    Args:
        network: As for `class_map`.
        clip: (3, T, H, W), uint8 or normalised.
        label: Number of the class; by default the one with the largest logit.

    Returns:
        (T, H, W) in [0, 1], float32.

    Raises:
        ConfigError: If `clip` is not one clip, or the network has no such class.

    Example:
        >>> tube = saliency(network, clip)
        >>> frames = overlay(clip, tube)
    """
    tube = F.interpolate(class_map(network, clip, label)[:, None], size=clip.shape[-2:], mode="bilinear")[:, 0]
    least, greatest = tube.aminmax()
    return ((tube - least) / (greatest - least).clamp(min=torch.finfo(tube.dtype).tiny)).float().cpu().numpy()


def overlay(clip: Tensor, tube: np.ndarray) -> Tensor:
    """Draw a Saliency Tube over its frames, as the mean of frame and colour: blue is low, red is high.

    Args:
        clip: (3, T, H, W), uint8.
        tube: (T, H, W) in [0, 1], from `saliency`.

    Returns:
        (3, T, H, W), uint8, on the CPU.

    Example:
        >>> overlay(clip, saliency(network, clip)).shape
        torch.Size([3, 8, 224, 224])
    """
    with explain_missing_packages():
        from matplotlib import colormaps

    heat = torch.from_numpy(colormaps["turbo"](tube, bytes=True)[..., :3]).movedim(-1, 0)
    return ((clip.cpu().int() + heat.int()) // 2).to(torch.uint8)
