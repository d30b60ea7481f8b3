"""Networks for inference: batch norm folded into convolutions, and swaps of channels into the weights beside them."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ctnet.models.ct_module import CTModule
from ctnet.models.layout import Swap


def fuse(network: nn.Module) -> nn.Module:
    """Copy a network into eval mode, without gradients, batch norms and most swaps.

    Args:
        network: Its modules define each batch norm right after the convolution that it follows. A CT-Module stands in
            an attribute `ct`; where its parent has a dense 1x1 convolution `conv3`, that reads the module's output.

    Returns:
        A network with the same outputs, up to rounding, with weights in channels-last memory.
    """
    network = deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        _fold_batch_norms(module)
    for module in network.modules():
        if isinstance(getattr(module, "ct", None), CTModule):
            _fold_swaps(module.ct, getattr(module, "conv3", None))
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return network


def _fold_batch_norms(module: nn.Module) -> None:
    """Fold each batch norm among a module's children into the convolution before it."""
    for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
        if isinstance(conv, _ConvNd) and isinstance(norm, _BatchNorm):
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())


@torch.no_grad()
def _fold_swaps(ct: CTModule, reader: nn.Conv2d | None) -> None:
    """Replace swaps by a new order of the weights of the dense 1x1 convolutions before and after them.

    Args:
        ct: A module whose batch norms are folded.
        reader: The dense convolution that reads the module's output, if there is one. Without it, the last swap stays.
    """
    convs = [pointwise.conv for pointwise in ct.pointwise] or [None] * (len(ct.ops) - 1)
    for k, (before, after) in enumerate(pairwise([None, *convs, reader])):
        order = Swap(ct.sizes, k)
        if before is not None and isinstance(ct.swap_in[k], Swap):
            before.weight.copy_(order(before.weight, dim=0))
            before.bias.copy_(order(before.bias, dim=0))
            ct.swap_in[k] = nn.Identity()
        if after is not None and isinstance(ct.swap_out[k], Swap):
            after.weight.copy_(order(after.weight, dim=1))
            ct.swap_out[k] = nn.Identity()
