"""What a network costs, in the paper's count and in plain multiply-adds, on the meta device: no weights, no time."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from ctnet.protocol import Protocol


@dataclass(frozen=True)
class Cost:
    """Of one view (a clip, one crop). gflops: the paper's count · gmacs: multiply-adds of convolutions and linear
    layers · params_m: parameters, in millions · activations_mb: what convolutions, norms, pooling and linear layers
    write, fp32, in 1e6 bytes; activations, sums and products, in place or not, are left out."""

    gflops: float
    gmacs: float
    params_m: float
    activations_mb: float

    def times(self, views: int) -> "Cost":
        """The cost of a video: operations add up over views, parameters and memory do not."""
        return Cost(self.gflops * views, self.gmacs * views, self.params_m, self.activations_mb)


POOLS = (nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.MaxPool3d)
WRITERS = (nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._BatchNorm, *POOLS)


def layer_count(layer: nn.Module, x: Tensor, y: Tensor) -> tuple[int, int]:
    """(count as in the paper, multiply-adds) of one layer; the rule of thop 0.0.31, which printed the paper's figures.

    Convolution and linear: multiply-adds without bias. BatchNorm: 2 per input element. AdaptiveAvgPool: area + 1 per
    output element. Activations, max pooling, functional pooling, sums and products: nothing.
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
    """The cost of a model (or of a name of the zoo) on clips of frames x size x size, or under a test protocol.

    A model on any device or on none is counted on the meta device, and left unchanged. `frames` defaults to the model's
    `num_frames`. With a protocol, frames and size are the protocol's and operations are those of all its views.
    """
    if isinstance(model, str):
        from ctnet.models import create_model

        with torch.device("meta"):
            model = create_model(model)
    if protocol is not None:
        return cost(model, protocol.frames, protocol.size).times(protocol.views)
    frames = frames or model.config.num_frames

    total = [0, 0, 0]

    def count(layer, inputs, output):
        flops, macs = layer_count(layer, inputs[0], output)
        total[0] += flops
        total[1] += macs
        total[2] += 4 * output.numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, WRITERS)]
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
