"""The numbers of the training recipe (A.1)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The training recipe of A.1; the defaults are for Something-Something.

    For Kinetics the paper takes 110 epochs, lr 0.01, dropout 0.5 and weight decay 1e-4.

    Attributes:
        epochs: Epochs of training.
        batch_size: Clips per step, over all GPUs together.
        lr: Learning rate for 64 clips per step; it is scaled with the batch size.
        warmup: Epochs of linear warm-up; a cosine to 0 follows.
        dropout: Dropout before the last layer.
        weight_decay: Decay of weights; biases and normalisation layers have none.
        momentum: Momentum of SGD.
        clip_norm: Largest norm of the gradient of all parameters together.
        fc_lr: Factors on the learning rate of the last layer's weight and bias, from the authors' release (the paper
            is silent).
        scales: Sides of the random crops, relative to the short side of the frames.
        flip: Whether half of the clips are mirrored, with the data set's label map.
        precision: Precision of Lightning's Trainer, such as `32-true` or `bf16-mixed`.
        max_skipped: Share of unreadable videos above which training stops.
        size: Side of the training clips in pixels, if it differs from the test protocol's (Table 2h).
        sampling: Sampling of the training clips, if it differs from the test protocol's (Kinetics).
        sync_bn: Whether batch statistics are taken over all ranks; in the release each rank has its own.
        compiled: Whether steps run through `torch.compile`. On a CPU it needs a C++ compiler, and minutes for the first
            training of a network.

    Example:
        >>> recipe = Recipe(epochs=10, warmup=1, batch_size=16)
        >>> recipe.lr_factor(0)
        1.0
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
    compiled: bool | None = None

    def lr_factor(self, epoch: int) -> float:
        """Return the learning rate of an epoch as a fraction of the full rate.

        Args:
            epoch: Number of the epoch, from 0.

        Returns:
            `(epoch + 1) / warmup` during warm-up, then `0.5 (1 + cos(pi t))`, where t goes from 0 to 1.
        """
        if epoch < self.warmup:
            return (epoch + 1) / self.warmup
        return 0.5 * (1 + math.cos(math.pi * (epoch - self.warmup) / max(self.epochs - self.warmup, 1)))
