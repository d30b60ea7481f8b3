"""The sections `inference`, `throughput` and `kept` of the bench: forward passes of the networks."""

import ctypes
from argparse import Namespace
from statistics import median

import torch
from torch import nn

from benchmarks.plain import load_plain
from benchmarks.timing import device, interleave, summary, table
from ctnet import cost
from ctnet.models import create_model

NETS = ("ctnet_resnet50", "tsn_resnet50", "tsm_resnet50")
TREATMENTS = ("eager", "fused", "compiled")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def inference(options: Namespace, clips_in_call: int = 1) -> dict:
    """Measure each network in each treatment and precision, and the plain network.

    Args:
        options: `nets`, `treatments`, `dtypes`, `frames`, `size` and `rounds` of the command line.
        clips_in_call: Number of clips in each call.

    Returns:
        `rows` as `summary` returns them, each with `gmacs_per_s`, the multiply-adds of its network over its median
        time; `base`, the name of the first row; all `seconds`; `dense`, for each precision the GMAC/s that a compiled
        dense convolution reaches in the same rounds; `frames` and `size`.
    """
    clips = torch.randn(clips_in_call, 3, options.frames, options.size, options.size, device=device())
    calls, gmacs = {}, {}
    torch.compiler.reset()  # between sections only: within one it would unfreeze the networks compiled before

    def add(name: str, net: nn.Module, dtype: torch.dtype, work: float, inputs: torch.Tensor = clips):
        def call():
            with _autocast(dtype):
                return net(inputs)

        calls[name], gmacs[name] = call, work

    chosen = {name: DTYPES[name] for name in options.dtypes}
    for name in options.nets:
        torch.manual_seed(0)
        net = create_model(name, num_frames=options.frames).eval().requires_grad_(False).to(device())
        work = cost(net, options.frames, options.size).gmacs * clips_in_call
        if name == "ctnet_resnet50":
            for label, dtype in chosen.items():
                add(f"plain {label}", load_plain(net).requires_grad_(False).to(device()), dtype, work)
        fused = net.fuse()
        for label, dtype in chosen.items():
            short = name.removesuffix("_resnet50")
            for treatment in options.treatments:
                built = {"eager": net, "fused": fused}.get(treatment)
                if built is None:
                    print(f"compiling {short} {label} ..", flush=True)
                    built = _compile(fused, clips, dtype)
                add(f"{short} {treatment} {label}", built, dtype, work)
    base = next(iter(calls))
    for label, dtype in chosen.items():
        layers, images = _dense()
        work = images.numel() * sum(layer.weight[0].numel() for layer in layers) / 1e9
        add(label, _compile(layers, images, dtype), dtype, work, images)
    with torch._dynamo.config.patch(error_on_recompile=True):  # a recompiled network would not be the frozen one
        seconds = interleave(calls, options.rounds)
    dense = {label: gmacs[label] / median(seconds.pop(label)) for label in chosen}
    rows = summary(seconds, base, clips=clips_in_call)
    for name, row in rows.items():
        row["gmacs_per_s"] = gmacs[name] / row["seconds"]
    title = f"inference, {clips_in_call} x {options.frames} frames of {options.size} x {options.size}, {device()}"
    print(table(title, rows, base))
    print("  GMAC/s of a dense convolution:", ", ".join(f"{rate:.0f} in {label}" for label, rate in dense.items()))
    measured = {"rows": rows, "base": base, "seconds": seconds, "dense": dense}
    return measured | {"frames": options.frames, "size": options.size}


def throughput(options: Namespace) -> dict:
    """Do the same as `inference` with four clips in each call."""
    return inference(options, clips_in_call=4)


def kept(options: Namespace) -> dict:
    """Do the same as `inference`, but keep freed memory for the next pass, as PyTorch does on a GPU."""
    keep_freed_memory()
    print("freed memory is kept:", end=" ")
    return inference(options)


def keep_freed_memory() -> None:
    """Make glibc keep freed memory for the rest of this process."""
    mmap_threshold, trim_threshold = -3, -1  # malloc.h
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(mmap_threshold, 2**25)  # the largest value that glibc accepts
    libc.mallopt(trim_threshold, 2**31 - 1)


def _autocast(dtype: torch.dtype) -> torch.autocast:
    return torch.autocast(device().type, dtype, enabled=dtype != torch.float32)


def _compile(net: nn.Module, inputs: torch.Tensor, dtype: torch.dtype) -> nn.Module:
    """Compile a network for these inputs; on the CPU with frozen weights, which lets oneDNN pack them."""
    net = torch.compile(net, fullgraph=True, dynamic=False)
    with torch._inductor.config.patch(freezing=inputs.device.type == "cpu"), _autocast(dtype):
        net(inputs)
    return net


def _dense() -> tuple[nn.Module, torch.Tensor]:
    """Return four 3x3 convolutions of 256 channels and their input: the kind of work that runs fastest on a device."""
    layers = nn.Sequential(*(nn.Conv2d(256, 256, 3, padding=1) for _ in range(4))).eval().requires_grad_(False)
    images = torch.randn(8 if device().type == "cpu" else 256, 256, 28, 28, device=device())
    layers = layers.to(device(), memory_format=torch.channels_last)
    return layers, images.contiguous(memory_format=torch.channels_last)
