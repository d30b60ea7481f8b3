"""The normalisation of clips, shared by the models and the data."""

import torch

from ctnet.errors import ConfigError

MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB
STD = (0.229, 0.224, 0.225)


def normalize(clips: torch.Tensor) -> torch.Tensor:
    """Scale clips to [0, 1], subtract ImageNet's mean and divide by its standard deviation.

    Args:
        clips: Pixels from 0 to 255, usually uint8, of shape (..., 3, T, H, W) in RGB order.

    Returns:
        A float32 tensor of the same shape, on the same device.

    Raises:
        ConfigError: The shape is not (..., 3, T, H, W).

    Example:
        >>> normalize(torch.zeros(2, 3, 8, 32, 32, dtype=torch.uint8)).dtype
        torch.float32
    """
    if clips.dim() < 4 or clips.shape[-4] != 3:
        raise ConfigError(f"clips must be (..., 3, T, H, W), not {tuple(clips.shape)}")
    mean, std = (torch.tensor(v, device=clips.device).view(3, 1, 1, 1) for v in (MEAN, STD))
    return (clips.float() - mean * 255) / (std * 255)
