"""The part `loader` of the bench: clips/s of one core, from file to batch, beside bare decord and the network."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.timing import interleave, summary, table, threads
from ctnet.clips import normalize
from ctnet.data import decoding
from ctnet.data.dataset import VideoDataset
from ctnet.data.loading import loader
from ctnet.data.sampling import sample
from ctnet.data.video import has_decord, read_frames
from ctnet.data.writing import write_set

LENGTH, HEIGHT, WIDTH = 120, 240, 320  # frames and pixels of a video


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise of all scales, as pictures have it: uint8 (height, width, 3)."""
    total = sum(
        s * np.kron(rng.normal(size=(-(-height // s), -(-width // s), 3)), np.ones((s, s, 1)))[:height, :width]
        for s in (4, 8, 16, 32, 64)
    )
    return ((total - total.min()) / np.ptp(total) * 255).astype(np.uint8)


def draw(path: Path, seed: int) -> Path:
    """H.264 as x264 makes it by default: a moving camera, a patch that moves by itself, and noise."""
    import av

    rng = np.random.default_rng(seed)
    ground, patch = texture(rng, 2 * HEIGHT, 2 * WIDTH), texture(rng, 80, 80)
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


def rivals(home: Path, frames: int, size: int, clips: int) -> dict[str, Callable]:
    """The same clips by bare decord, by `read_frames`, and through the training loader up to the batch; each opens
    every file as if for the first time.
    """
    videos = [draw(home / f"{i}.mp4", i) for i in range(clips)]
    folder = write_set(home / "set", ["a"], {"train": [(video, 0, 0, LENGTH) for video in videos]})
    data = VideoDataset(folder, "train", frames, size, train=True, scales=(1, 0.875, 0.75, 0.66), flip=True)
    wanted = [(videos[i], sample(LENGTH, frames, generator=data.generator(i)).flatten().tolist()) for i in range(clips)]

    def decord() -> list[np.ndarray]:
        from decord import VideoReader

        return [VideoReader(str(video), num_threads=1).get_batch(places).asnumpy() for video, places in wanted]

    def reading() -> list[torch.Tensor]:
        decoding._index.cache_clear()
        return [read_frames(video, places) for video, places in wanted]

    def loading() -> torch.Tensor:
        decoding._index.cache_clear()
        return next(iter(loader(data, clips))).clips

    calls = {"read_frames": reading, "loader": loading}
    return {"decord": decord, **calls} if has_decord() else calls


def loading(options, network: torch.nn.Module, device: torch.device, clips: int = 4) -> dict:
    """clips/s of one core from H.264 files of 320 x 240, and of `network` (inference) on the same batch."""
    with TemporaryDirectory() as home:
        calls = rivals(Path(home), options.frames, options.size, clips)
        base, batch = next(iter(calls)), calls["loader"]().to(device)
        with threads(1):
            seconds = interleave(calls, options.rounds)
    rows = summary(seconds, base, clips=clips)
    print(table(f"reading {options.frames} of {LENGTH} frames, {WIDTH} x {HEIGHT}, one core", rows, base))
    share = median(b / a for a, b in zip(seconds["read_frames"], seconds["loader"], strict=True)) - 1
    print(f"  cropping and collating add {share:.0%} to decoding")
    ahead = summary(interleave({"network": lambda: network(normalize(batch))}, options.rounds), "network", clips)
    speed = ahead["network"]["clips_per_s"]
    cores = speed / rows["loader"]["clips_per_s"]
    print(f"  network ({device}): {speed:.1f} clips/s, what {cores:.2g} cores read")
    return {"rows": rows, "base": base, "seconds": seconds, "overhead": share, "network": speed, "cores": cores}
