"""How a network is trained, as a value (A.1)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """A.1 for Something-Something; Kinetics: 110 epochs, lr 0.01, dropout 0.5, decay 1e-4.

    batch_size: clips a step, on all GPUs together · lr is for 64 of them and is scaled with the batch · warmup: epochs
    of linear warm-up, then a cosine to 0 · clip_norm: total norm of the gradient · fc_lr: factors of the last layer's
    weight and bias, as in the authors' release (the paper is silent) · scales: sides of the random crops relative to
    the short side · flip: mirror half of the clips, with the set's label map · max_skipped: share of unreadable videos
    at which training stops · size, sampling: of the training clips, where they differ from the test protocol's (Table
    2h; Kinetics) · sync_bn: batch statistics over all processes, not of each as in the release.
    """

    epochs: int = 45
    batch_size: int = 64
    lr: float = 0.02
    warmup: int = 10
    dropout: float = 0.3
    weight_decay: float = 5e-4
    momentum: float = 0.9
    clip_norm: float = 20.0
    fc_lr: tuple[float, float] = (5.0, 10.0)
    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    flip: bool = False
    precision: str = "32-true"
    max_skipped: float = 0.05
    size: int | None = None
    sampling: str | None = None
    sync_bn: bool = False

    def lr_factor(self, epoch: int) -> float:
        """Of the base rate in this epoch, counted from 0: (e+1)/warmup, then 0.5 (1 + cos)."""
        if epoch < self.warmup:
            return (epoch + 1) / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (epoch - self.warmup) / max(self.epochs - self.warmup, 1)))
