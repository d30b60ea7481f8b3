"""The section `copies` of the bench: copies of feature maps that the fused CT-Net makes, counted by torch.profiler."""

from argparse import Namespace
from collections import Counter

import torch
from torch import nn

from benchmarks.timing import device
from ctnet.models import create_model

OPERATORS = ("aten::copy_", "aten::clone", "aten::contiguous")


def copies(options: Namespace) -> dict:
    """Count the copies in one forward pass of the fused CT-Net and print them.

    Args:
        options: `frames` and `size` of the command line.

    Returns:
        `{"copies": ...}` with what `count_copies` returns.
    """
    net = create_model("ctnet_resnet50", num_frames=options.frames).eval().fuse().to(device())
    found = count_copies(net, options.frames, options.size)
    print("copies of feature maps in the fused ctnet_resnet50:", "" if found else "none")
    for name, times in found.items():
        print(f"  {times} x {name}")
    return {"copies": found}


def count_copies(net: nn.Module, frames: int = 8, size: int = 224) -> dict[str, int]:
    """Count the copies of tensors of four or more dimensions in one forward pass; vectors and scalars are not counted.

    Args:
        net: A network on `device()`.
        frames: Frames of each of the two clips.
        size: Height and width in pixels.

    Returns:
        Number of copies by operator and shape, such as `{"aten::copy_ (2, 64, 8, 56, 56)": 1}`.
    """
    from torch.profiler import ProfilerActivity, profile

    clips = torch.randn(2, 3, frames, size, size, device=device())
    clips = clips.contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        net(clips)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
            net(clips)
    found = Counter()
    for event in profiler.events():
        shape = event.input_shapes[0] if event.input_shapes else []
        if event.name in OPERATORS and len(shape) >= 4:
            found[f"{event.name} {tuple(shape)}"] += 1
    return dict(found)
