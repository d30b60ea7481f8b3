"""Saliency Tubes (Stergiou et al., ICIP 2019): where and when a network finds what speaks for a class (Figure 3)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctnet.clips import normalize
from ctnet.errors import ConfigError


@torch.inference_mode()
def class_map(network: nn.Module, clip: Tensor, label: int | None = None) -> Tensor:
    """The evidence for a class at each place of the last convolutional layer: (T, h, w).

        M(t, y, x) = sum over c of w_c A_c(t, y, x)

    A (C, T, h, w): activations of the last convolutional layer, those that are pooled · w (C,): the class's weights in
    the last layer. After A the network only averages, so the mean of M is the logit less the class's bias. To keep
    that, channels of small weight count as well, which the paper can leave out by a threshold.

    clip: (3, T, H, W), uint8 or normalised · label: number of the class; None: the likeliest. Any network with the
    zoo's `avgpool` and `fc`, fused or not. Raises ConfigError for what is no clip, or a class that the network does not
    have.
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
        raise ConfigError(f"class {label} is none of the network's {len(logits)} classes, which count from 0")
    return torch.einsum("c,tchw->thw", network.fc.weight[label], last[0])


def saliency(network: nn.Module, clip: Tensor, label: int | None = None) -> np.ndarray:
    """The Saliency Tube of a class: (T, H, W) in [0, 1], float32.

    The class map, scaled up to the clip's frames (bilinear), less its least value, over its greatest: 0 and 1 are the
    extremes of this clip, and tell nothing about how sure the network is. A map without contrast is 0 throughout.
    Arguments and errors as of `class_map`.
    """
    tube = F.interpolate(class_map(network, clip, label)[:, None], size=clip.shape[-2:], mode="bilinear")[:, 0]
    least, greatest = tube.aminmax()
    return ((tube - least) / (greatest - least).clamp(min=torch.finfo(tube.dtype).tiny)).float().cpu().numpy()


def overlay(clip: Tensor, tube: np.ndarray) -> Tensor:
    """Heat colours over half-bright frames: (3, T, H, W) uint8 and (T, H, W) in [0, 1] -> (3, T, H, W) uint8."""
    from matplotlib import colormaps

    heat = torch.from_numpy(colormaps["turbo"](tube, bytes=True)[..., :3]).movedim(-1, 0)
    return ((clip.cpu().int() + heat.int()) // 2).to(torch.uint8)
