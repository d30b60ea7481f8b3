"""`make bench`: what speed the networks reach here, as ratios within one run.

inference  CT-Net, TSN and TSM on ResNet-50: eager, fused, compiled; fp32 and bf16; against the plain Conv3d network
throughput the same with four clips in a call
copies     the copies that the fused CT-Net makes, as torch.profiler sees them: none may come from a permutation
loader     clips/s that one core reads, against bare decord; what cropping and collating add; and the network's clips/s
training   clips/s of training at the cpu scale, against the same steps on a batch already in memory
kept       `inference` where freed memory is kept: without it each pass pays for fresh pages
"""

import argparse
import ctypes
import json
import platform
from collections import Counter
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from statistics import median

import torch
from torch import nn

from benchmarks.plain import load_plain
from benchmarks.timing import interleave, summary, table, threads
from ctnet import cost, paths
from ctnet.cli.options import Parser, at_least
from ctnet.data.loading import cores, readers
from ctnet.errors import ConfigError
from ctnet.experiments import provenance, records
from ctnet.models import create_model

NETS = ("ctnet_resnet50", "tsn_resnet50", "tsm_resnet50")
TREATMENTS = ("eager", "fused", "compiled")
COPIES = ("aten::copy_", "aten::clone", "aten::contiguous")


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compiled(net: nn.Module, clips: torch.Tensor, dtype: torch.dtype) -> nn.Module:
    """Compiled for these clips. On the CPU weights are constants ("freezing"), which lets oneDNN pack them."""
    net = torch.compile(net, fullgraph=True, dynamic=False)
    with torch._inductor.config.patch(freezing=clips.device.type == "cpu"), autocast(dtype):
        net(clips)
    return net


def autocast(dtype: torch.dtype):
    return torch.autocast(device().type, dtype, enabled=dtype != torch.float32)


def dense() -> tuple[nn.Module, torch.Tensor]:
    """Four 3x3 convolutions of 256 channels and what they take: the work that a device does best."""
    layers = nn.Sequential(*(nn.Conv2d(256, 256, 3, padding=1) for _ in range(4))).eval().requires_grad_(False)
    images = torch.randn(8 if device().type == "cpu" else 256, 256, 28, 28, device=device())
    layers = layers.to(device(), memory_format=torch.channels_last)
    return layers, images.contiguous(memory_format=torch.channels_last)


def inference(options, clips_in_call: int = 1) -> dict:
    """Each network, treatment and precision in turns; `plain` is the reference in fp32, `plain bf16` under autocast.

    `gmacs_per_s` of each row are its network's multiply-adds over its median time; `dense` is what a dense convolution
    reaches, compiled, in the same rounds.
    """
    clips = torch.randn(clips_in_call, 3, options.frames, options.size, options.size, device=device())
    calls, gmacs = {}, {}
    torch.compiler.reset()  # what the section before compiled; within one, that would unfreeze the earlier networks

    def add(name: str, net: nn.Module, dtype: torch.dtype, work: float, takes: torch.Tensor = clips):
        def call():
            with autocast(dtype):
                return net(takes)

        calls[name], gmacs[name] = call, work

    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
    chosen = {name: dtypes[name] for name in options.dtypes}
    for name in options.nets:
        torch.manual_seed(0)
        net = create_model(name, num_frames=options.frames).eval().requires_grad_(False).to(device())
        work = cost(net, options.frames, options.size).gmacs * clips_in_call
        if name == "ctnet_resnet50":
            for label, dtype in chosen.items():
                add(" ".join(("plain", label)), load_plain(net).requires_grad_(False).to(device()), dtype, work)
        fused = net.fuse()
        for label, dtype in chosen.items():
            short = name.removesuffix("_resnet50")
            for treatment in options.treatments:
                built = {"eager": net, "fused": fused}.get(treatment)
                if built is None:
                    print(f"compiling {short} {label} ..", flush=True)
                    built = compiled(fused, clips, dtype)
                add(f"{short} {treatment} {label}", built, dtype, work)
    base = next(iter(calls))
    for label, dtype in chosen.items():
        layers, images = dense()
        work = images.numel() * sum(layer.weight[0].numel() for layer in layers) / 1e9
        add(label, compiled(layers, images, dtype), dtype, work, images)
    with torch._dynamo.config.patch(error_on_recompile=True):  # what is compiled anew is not the frozen network
        seconds = interleave(calls, options.rounds)
    bound = {label: gmacs[label] / median(seconds.pop(label)) for label in chosen}
    rows = summary(seconds, base, clips=clips_in_call)
    for name, row in rows.items():
        row["gmacs_per_s"] = gmacs[name] / row["seconds"]
    title = f"inference, {clips_in_call} x {options.frames} frames of {options.size} x {options.size}, {device()}"
    print(table(title, rows, base))
    print("  GMAC/s of a dense convolution:", ", ".join(f"{rate:.0f} in {label}" for label, rate in bound.items()))
    measured = {"rows": rows, "base": base, "seconds": seconds, "dense": bound}
    return measured | {"frames": options.frames, "size": options.size}


def kept(options) -> dict:
    """As PyTorch does on a GPU, where memory once had is not given back between passes."""
    keep_freed_memory()
    print("freed memory is kept:", end=" ")
    return inference(options)


def keep_freed_memory():
    """Tells glibc to keep what is freed, for the rest of this process."""
    mmap_threshold, trim_threshold = -3, -1  # malloc.h
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(mmap_threshold, 2**25)  # the largest that it takes
    libc.mallopt(trim_threshold, 2**31 - 1)


def copies(options) -> dict:
    """(operator, shape) -> number of copies in one forward pass of the fused CT-Net; the input may be copied once."""
    net = create_model("ctnet_resnet50", num_frames=options.frames).eval().fuse().to(device())
    return report_copies(count_copies(net, options.frames, options.size))


def count_copies(net: nn.Module, frames: int = 8, size: int = 224, dtype=torch.float32) -> dict[str, int]:
    """Copies of tensors as large as a feature map; vectors and scalars are not counted."""
    from torch.profiler import ProfilerActivity, profile

    clips = torch.randn(2, 3, frames, size, size, device=device())
    clips = clips.contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode(), autocast(dtype):
        net(clips)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiler:
            net(clips)
    found = Counter()
    for event in profiler.events():
        shape = event.input_shapes[0] if event.input_shapes else []
        if event.name in COPIES and len(shape) >= 4:
            found[f"{event.name} {tuple(shape)}"] += 1
    return dict(found)


def report_copies(found: dict[str, int]) -> dict:
    print("copies of feature maps in the fused ctnet_resnet50:", "none" if not found else "")
    for name, times in found.items():
        print(f"  {times} x {name}")
    return {"copies": found}


def training_set() -> Path:
    """Folder of the set that `training` reads; DataError with the command that makes it."""
    from ctnet.data.home import locate
    from ctnet.experiments.scales import SCALES

    return locate(SCALES["cpu"].data, "cpu")


def training(options) -> dict:
    """Steps with clips from the loader and steps on one batch in memory, in turns, at the cpu scale."""
    from torch.nn.functional import cross_entropy

    from ctnet.clips import normalize
    from ctnet.data.dataset import VideoDataset
    from ctnet.data.loading import loader
    from ctnet.experiments.scales import SCALES

    scale = SCALES["cpu"]
    p, r = scale.protocol, scale.recipe
    home = training_set()
    clips = VideoDataset(home, "train", p.frames, p.size, True, sampling=p.sampling, scales=r.scales, flip=r.flip)
    net = create_model("ctnet_resnet50", len(clips.info.classes), p.frames, **dict(scale.overrides)).train()
    net = net.to(device())
    optimizer = torch.optim.SGD(net.parameters(), r.lr, r.momentum)
    epochs = repeat(loader(clips, r.batch_size, workers=options.workers, drop_last=True))
    batches = chain.from_iterable(epochs)
    held = next(batches)
    steps = 4

    def step(batch):
        cross_entropy(net(normalize(batch.clips.to(device()))), batch.labels.to(device())).backward()
        optimizer.step()
        optimizer.zero_grad()

    def run(source):
        return lambda: [step(source()) for _ in range(steps)]

    calls = {"model alone": run(lambda: held), "with the loader": run(lambda: next(batches))}
    shared = max(cores() - options.workers, 1)  # as `ctnet train` shares the cores out
    with threads(options.threads or (shared if device().type == "cpu" else torch.get_num_threads())):
        seconds = interleave(calls, options.rounds)
    rows = summary(seconds, "model alone", clips=r.batch_size * steps)
    print(table(f"training of ctnet_resnet50 at the cpu scale, {p}", rows, "model alone"))
    return {"rows": rows, "seconds": seconds}


def loader(options) -> dict:
    """Reading beside the fused CT-Net: with as many cores as the last line says, the network never waits."""
    from benchmarks.reading import loading

    return loading(
        options, create_model("ctnet_resnet50", num_frames=options.frames).eval().fuse().to(device()), device()
    )


SECTIONS = {
    "inference": inference,
    "throughput": partial(inference, clips_in_call=4),
    "copies": copies,
    "loader": loader,
    "training": training,
}
if platform.libc_ver()[0] == "glibc" and not torch.cuda.is_available():
    SECTIONS["kept"] = kept  # last: it changes the process


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="ctnet bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="default: all")
    p.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS), help="default: all")
    p.add_argument("--treatments", nargs="+", choices=TREATMENTS, default=list(TREATMENTS), help="default: all")
    p.add_argument("--dtypes", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"], help="default: both")
    p.add_argument("--rounds", type=at_least(1), default=7, help="of each measurement (default: %(default)s)")
    p.add_argument("--frames", type=at_least(1, 1000), default=8, help="of a clip (default: %(default)s)")
    p.add_argument("--size", type=at_least(1, 4096), default=224, help="of a crop, in pixels (default: %(default)s)")
    p.add_argument("--workers", type=at_least(0), default=readers(), help="processes that read videos, in `training`")
    p.add_argument("--threads", type=at_least(1), help="default: all cores")
    p.add_argument("--out", type=Path, help="default: runs/bench.json")
    p.add_argument("--record", action="store_true", help="keep the figures in data/results/bench for the book")
    return p


def main(args: list[str] | None = None) -> int:
    options = parser().parse_args(args)
    for name in ("only", "nets", "treatments", "dtypes", "frames", "size") if options.record else ():
        if getattr(options, name) != parser().get_default(name):
            raise ConfigError(f"bench: --record keeps a whole run in place of the last one; leave --{name} out")
    if options.threads:
        torch.set_num_threads(options.threads)
    if "training" in options.only:
        training_set()  # what is missing is said now, not after the other sections
    out = options.out or paths.runs_root() / "bench.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    record = {"provenance": provenance.provenance()}
    print(f"{record['provenance']['device']}, torch {torch.__version__}, commit {record['provenance']['commit']}")
    for name in [name for name in SECTIONS if name in options.only]:
        with torch.set_grad_enabled(name == "training"):
            record[name] = SECTIONS[name](options)
        out.write_text(json.dumps(record, indent=1))  # after each: a run that is cut keeps what it had
    print(records.keep("bench", record) if options.record else out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
