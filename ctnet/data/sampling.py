"""Which frames of a video a clip is made of (paper, A.1): a pure function of counts, mode and generator."""

import torch

from ctnet.errors import ConfigError, unknown
from ctnet.protocol import SAMPLINGS

WINDOW = 64  # frames under a dense clip


def sample(
    total: int, frames: int, clips: int = 1, mode: str = "sparse", generator: torch.Generator | None = None
) -> torch.Tensor:
    """Frame indices (clips, frames), each in [0, total).

    With a generator the draw is random (training); without one it is fixed (testing).
    sparse: one frame from each of `frames` equal segments (TSN); in testing the centres of the segments, with
    2 clips also their starts (the release's --twice-sample). dense: every (64 // frames)-th frame of a 64-frame
    window, wrapped round the end of a shorter video; in testing the windows are spread evenly, the only one is the
    central one. uniform: in testing the same frame of every segment, clip after clip from its first to its last frame
    (the release's --dense-sample); in training as sparse. A video of fewer than `frames` frames repeats some.
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
    tick = total / frames
    if generator is not None:
        offset = torch.rand((clips, frames), generator=generator, dtype=torch.float64) * tick
    elif mode == "sparse":
        offset = (0.5 + torch.arange(clips, dtype=torch.float64)[:, None] / clips) % 1 * tick
    else:
        offset = torch.linspace(0, max(tick - 1, 0), clips, dtype=torch.float64).floor()[:, None]
    return (offset + step * tick).long().clamp_(max=total - 1)
