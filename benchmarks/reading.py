"""The section `loader` of the bench: clips/s that one core reads, compared with bare decord and with the network."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.timing import device, interleave, summary, table, threads
from ctnet.clips import normalize
from ctnet.data import decoding
from ctnet.data.dataset import VideoDataset
from ctnet.data.loading import loader as make_loader
from ctnet.data.sampling import sample
from ctnet.data.video import has_decord, read_frames
from ctnet.data.writing import write_set
from ctnet.models import create_model

LENGTH, HEIGHT, WIDTH = 120, 240, 320  # frames and pixels of each video
CLIPS = 4  # videos, and clips in a batch


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return noise at several scales, similar to a photograph: uint8 (height, width, 3)."""
    total = sum(
        s * np.kron(rng.normal(size=(-(-height // s), -(-width // s), 3)), np.ones((s, s, 1)))[:height, :width]
        for s in (4, 8, 16, 32, 64)
    )
    return ((total - total.min()) / np.ptp(total) * 255).astype(np.uint8)


def _draw(path: Path, seed: int) -> Path:
    """Write an H.264 video with x264's defaults: a moving camera, a patch with its own motion, and noise."""
    import av

    rng = np.random.default_rng(seed)
    ground, patch = _texture(rng, 2 * HEIGHT, 2 * WIDTH), _texture(rng, 80, 80)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for t in range(LENGTH):
            top, left = int(HEIGHT / 2 * (1 + np.sin(t / 30))), int(WIDTH / 2 * (1 + np.cos(t / 40)))
            frame = ground[top : top + HEIGHT, left : left + WIDTH].astype(int)
            top, left = int((HEIGHT - 80) / 2 * (1 + np.sin(t / 7))), int((WIDTH - 80) / 2 * (1 + np.cos(t / 9)))
            frame[top : top + 80, left : left + 80] = patch
            frame = np.clip(frame + rng.integers(-6, 7, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def readers_to_compare(home: Path, frames: int, size: int, clips: int) -> dict[str, Callable]:
    """Return calls that read the same clips in different ways; each opens every file as if for the first time.

    Args:
        home: An empty folder for the videos.
        frames: Frames of a clip.
        size: Pixels of the loader's square crops.
        clips: Number of videos, with one clip each.

    Returns:
        "decord" (if installed): bare decord; "read_frames": this library's reader; "loader": the training loader, which
        returns a batch (clips, 3, frames, size, size).
    """
    videos = [_draw(home / f"{i}.mp4", i) for i in range(clips)]
    folder = write_set(home / "set", ["a"], {"train": [(video, 0, 0, LENGTH) for video in videos]})
    data = VideoDataset(folder, "train", frames, size, train=True, scales=(1, 0.875, 0.75, 0.66), flip=True)
    wanted = [(videos[i], sample(LENGTH, frames, generator=data.generator(i)).flatten().tolist()) for i in range(clips)]

    def by_decord() -> list[np.ndarray]:
        from decord import VideoReader

        return [VideoReader(str(video), num_threads=1).get_batch(places).asnumpy() for video, places in wanted]

    def by_read_frames() -> list[torch.Tensor]:
        decoding._index.cache_clear()
        return [read_frames(video, places) for video, places in wanted]

    def by_loader() -> torch.Tensor:
        decoding._index.cache_clear()
        return next(iter(make_loader(data, clips))).clips

    calls = {"read_frames": by_read_frames, "loader": by_loader}
    return {"decord": by_decord, **calls} if has_decord() else calls


def loader(options: Namespace) -> dict:
    """Measure reading on one core, and inference of the fused CT-Net on the same batch.

    Args:
        options: `frames`, `size` and `rounds` of the command line.

    Returns:
        The rows, the name of the first, all seconds; `overhead`, the share of time that cropping and batching add to
        decoding; `network`, clips/s of the network; `cores`, how many cores read as fast as the network computes.
    """
    network = create_model("ctnet_resnet50", num_frames=options.frames).eval().fuse().to(device())
    with TemporaryDirectory() as home:
        calls = readers_to_compare(Path(home), options.frames, options.size, CLIPS)
        base, batch = next(iter(calls)), calls["loader"]().to(device())
        with threads(1):
            seconds = interleave(calls, options.rounds)
    rows = summary(seconds, base, clips=CLIPS)
    print(table(f"reading {options.frames} of {LENGTH} frames, {WIDTH} x {HEIGHT}, one core", rows, base))
    share = median(b / a for a, b in zip(seconds["read_frames"], seconds["loader"], strict=True)) - 1
    print(f"  cropping and batching add {share:.0%} to decoding")
    times = interleave({"network": lambda: network(normalize(batch))}, options.rounds)
    speed = summary(times, "network", CLIPS)["network"]["clips_per_s"]
    cores = speed / rows["loader"]["clips_per_s"]
    print(f"  network ({device()}): {speed:.1f} clips/s, as many as {cores:.2g} cores read")
    return {"rows": rows, "base": base, "seconds": seconds, "overhead": share, "network": speed, "cores": cores}
