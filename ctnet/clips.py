"""TODO."""

import torch

from ctnet.errors import ConfigError

MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB
STD = (0.229, 0.224, 0.225)


def normalize(clips: torch.Tensor) -> torch.Tensor:
    """uint8 (..., 3, T, H, W) -> float32, /255, less ImageNet's mean, over its deviation, on its device.

    ConfigError for another shape.
    """
    if clips.dim() < 4 or clips.shape[-4] != 3:
        raise ConfigError(f"clips must be (..., 3, T, H, W), not {tuple(clips.shape)}")
    mean, std = (torch.tensor(v, device=clips.device).view(3, 1, 1, 1) for v in (MEAN, STD))
    return (clips.float() - mean * 255) / (std * 255)
