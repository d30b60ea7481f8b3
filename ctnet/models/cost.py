"""What a network costs: operations, parameters and activations, counted on the meta device."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from ctnet.errors import ConfigError
from ctnet.protocol import Protocol


@dataclass(frozen=True)
class Cost:
    """The cost of one view (one crop of one clip), or of all views of a video.

    Attributes:
        gflops: Operations in the paper's count, in 1e9; see `layer_count`.
        gmacs: Multiply-adds of convolutions and linear layers, in 1e9.
        params_m: Parameters, in 1e6.
        activations_mb: What convolutions, norms, pooling and linear layers of one view write in fp32, in 1e6 bytes.
            Activation functions, sums and products do not count.

    Example:
        >>> round(ctnet.cost("ctnet_resnet50", frames=8, size=256).times(6).gflops, 1)  # six views
        223.9
    """

    gflops: float
    gmacs: float
    params_m: float
    activations_mb: float

    def times(self, views: int) -> "Cost":
        """The cost of that many views: operations add up, parameters and memory do not."""
        return Cost(self.gflops * views, self.gmacs * views, self.params_m, self.activations_mb)


_POOLS = (nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.MaxPool3d)
_COUNTED = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm, *_POOLS)


def layer_count(layer: nn.Module, x: Tensor, y: Tensor) -> tuple[int, int]:
    """Count the operations of one layer, by the rule of thop 0.0.31, which gives the paper's numbers.

    Convolutions and linear layers count their multiply-adds without bias, BatchNorm 2 for each input element, and
    AdaptiveAvgPool the pooled area plus 1 for each output element. All else counts nothing: activation functions, max
    pooling, functional pooling, sums and products.

    Args:
        layer: The layer.
        x: Its input.
        y: Its output.

    Returns:
        (operations in the paper's count, multiply-adds).
    """
    if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear):
        macs = y.numel() * layer.weight[0].numel()
        return macs, macs
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return 2 * x.numel(), 0
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        return y.numel() * (prod(x.shape[2:]) // prod(y.shape[2:]) + 1), 0
    return 0, 0


def cost(model: nn.Module | str, frames: int | None = None, size: int = 256, protocol: Protocol | None = None) -> Cost:
    """Count what a network costs.

    Args:
        model: A network on any device and in any mode, which is not changed; or a name of `ctnet.list_models()`.
        frames: Frames of a clip; by default the network's `num_frames`.
        size: Height and width of a frame in pixels.
        protocol: A test protocol. It replaces `frames` and `size`, and operations are those of all its views.

    Returns:
        The cost of one view, or of a video under the protocol.

    Raises:
        ConfigError: Fewer than one frame or pixel.

    Example:
        >>> round(cost("ctnet_resnet50", frames=8, size=256).gflops, 2)
        37.32
    """
    if isinstance(model, str):
        from ctnet.models import create_model

        with torch.device("meta"):
            model = create_model(model)
    if protocol is not None:
        return cost(model, protocol.frames, protocol.size).times(protocol.views)
    frames = model.config.num_frames if frames is None else frames
    if frames < 1 or size < 1:
        raise ConfigError(f"a clip needs at least 1 frame and 1 pixel, not {frames} frames of {size} x {size}")

    total = [0, 0, 0]

    def count(layer, inputs, output):
        flops, macs = layer_count(layer, inputs[0], output)
        total[0] += flops
        total[1] += macs
        total[2] += 4 * output.numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, _COUNTED)]
    training = {m: m.training for m in model.modules()}
    state = {k: torch.empty_like(v, device="meta") for k, v in (*model.named_parameters(), *model.named_buffers())}
    try:
        clip = torch.empty(1, 3, frames, size, size, device="meta")
        torch.func.functional_call(model.eval(), state, (clip,))
    finally:
        for module, mode in training.items():
            module.training = mode
        for hook in hooks:
            hook.remove()
    params = sum(p.numel() for p in model.parameters())
    return Cost(total[0] / 1e9, total[1] / 1e9, params / 1e6, total[2] / 1e6)
