"""Test protocols: how clips are taken from a video. Every reported accuracy names its protocol."""

from dataclasses import dataclass, replace

from ctnet.errors import ConfigError, unknown

SAMPLINGS = ("sparse", "dense", "uniform")


@dataclass(frozen=True)
class Protocol:
    """Frames x crops x clips @ size, in the order of the paper's tables (`8x3x2@256`, Table 3).

    Attributes:
        frames: Frames per clip (T).
        crops: Spatial crops per clip, 1 or 3.
        clips: Temporal clips per video.
        size: Side of the square input in pixels.
        sampling: `sparse` (TSN segments), `dense` (a window of 64 frames) or `uniform` (offsets over the whole video,
            which the authors' release calls dense).
        short_side: Short side in pixels of the frames that crops are taken from; None for `size`.

    Raises:
        ConfigError: If a value is out of range.

    Example:
        >>> str(Protocol(frames=16, crops=3, clips=4))
        '16x3x4@256'
    """

    frames: int = 8
    crops: int = 1
    clips: int = 1
    size: int = 256
    sampling: str = "sparse"
    short_side: int | None = None

    def __post_init__(self):
        if self.crops not in (1, 3):
            raise ConfigError(f"protocol: crops must be 1 or 3, not {self.crops}")
        if min(self.frames, self.clips, self.size) < 1:
            raise ConfigError(f"protocol: frames, clips and size must be at least 1: {self}")
        if self.sampling not in SAMPLINGS:
            raise ConfigError(f"protocol: sampling must be one of {', '.join(SAMPLINGS)}, not '{self.sampling}'")
        if self.short_side is not None and self.short_side < self.size:
            raise ConfigError(
                f"protocol: a crop of {self.size} does not fit in a short side of {self.short_side} pixels"
            )

    @property
    def views(self) -> int:
        """Forward passes per video, crops x clips; a video costs this many times as much as a clip."""
        return self.crops * self.clips

    def __str__(self) -> str:
        """Return `8x3x2@256`, or `8x1x1@224/256` for crops of 224 from a short side of 256."""
        of = f"/{self.short_side}" if self.short_side else ""
        return f"{self.frames}x{self.crops}x{self.clips}@{self.size}{of}"


# data/paper/protocols.csv lists where the paper and the release differ, and what ctnet does.
PROTOCOLS = {
    "something": Protocol(),  # Tables 2 and 3
    "something_2clips": Protocol(clips=2),  # Table 6, x1x2
    "something_6views": Protocol(crops=3, clips=2),  # Tables 3 and 6, x3x2
    "something_224": Protocol(size=224, short_side=256),  # Table 2h
    "kinetics_paper": Protocol(16, 3, 4, sampling="dense"),  # Table 4; A.1 mentions dense sampling for training only
    "kinetics_release": Protocol(16, 3, 4, sampling="uniform"),
    "ucf_hmdb": Protocol(16, 3, 2),  # Table 5: 2 clips "for others"; the crops are our reading
    "inception": Protocol(size=299),  # Table 8: the size that gives its GFLOPs
}


def named(name: str, frames: int | None = None) -> Protocol:
    """Return a protocol of the paper by its name.

    Args:
        name: A key of `PROTOCOLS`.
        frames: Frames per clip of the network, if it was trained with another number (Table 6).

    Raises:
        ConfigError: If there is no such protocol.
    """
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return replace(PROTOCOLS[name], frames=frames) if frames else PROTOCOLS[name]
