"""Which frames of a video make up a clip (paper, A.1): a pure function of counts, mode and generator."""

import torch

from ctnet.errors import ConfigError, unknown
from ctnet.protocol import SAMPLINGS

WINDOW = 64  # frames that a dense clip spans


def sample(
    total: int, frames: int, clips: int = 1, mode: str = "sparse", generator: torch.Generator | None = None
) -> torch.Tensor:
    """Choose the frames of each clip of a video.

    With a generator the choice is random, as in training; without one it is fixed, as in testing. A video with fewer
    than `frames` frames repeats some.

    * sparse (TSN): one frame from each of `frames` equal segments. In testing the centres of the segments; with 2
      clips also their starts (`--twice-sample` in the authors' release).
    * dense: every (64 // frames)-th frame of a window of 64, which wraps around the end of a shorter video. In testing
      the windows are spread evenly; a single window is the central one.
    * uniform: in testing the same frame of every segment, from its first frame for the first clip to its last frame
      for the last clip (`--dense-sample` in the release). In training the same as sparse.

    Args:
        total: Number of frames of the video.
        frames: Frames per clip, T.
        clips: Number of clips.
        mode: "sparse", "dense" or "uniform".
        generator: Source of the random choice, or None.

    Returns:
        Frame indices in [0, total), int64, (clips, frames).

    Raises:
        ConfigError: The mode is unknown, or a count is below 1.

    Example:
        >>> ctnet.data.sample(total=32, frames=8)
        tensor([[ 2,  6, 10, 14, 18, 22, 26, 30]])
    """
    if mode not in SAMPLINGS:
        raise unknown("sampling", mode, SAMPLINGS)
    if min(total, frames, clips) < 1:
        raise ConfigError(f"sampling needs at least one frame and one clip: {total=}, {frames=}, {clips=}")
    step = torch.arange(frames, dtype=torch.float64)
    if mode == "dense":
        room = max(total - WINDOW, 0)
        if generator is not None:
            start = torch.randint(room + 1, (clips, 1), generator=generator)
        elif clips == 1:
            start = torch.tensor([[room // 2]])
        else:
            start = room * torch.arange(clips)[:, None] // (clips - 1)
        return (start + step.long() * max(WINDOW // frames, 1)) % total
    tick = total / frames  # length of a segment
    if generator is not None:
        offset = torch.rand((clips, frames), generator=generator, dtype=torch.float64) * tick
    elif mode == "sparse":
        offset = (0.5 + torch.arange(clips, dtype=torch.float64)[:, None] / clips) % 1 * tick
    else:
        offset = torch.linspace(0, max(tick - 1, 0), clips, dtype=torch.float64).floor()[:, None]
    return (offset + step * tick).long().clamp_(max=total - 1)
