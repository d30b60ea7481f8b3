"""The training recipe of A.1 as one LightningModule: loss, optimizer and schedule."""

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy

from ctnet import distributed
from ctnet.clips import normalize
from ctnet.data.loading import Batch
from ctnet.errors import TrainingError
from ctnet.training.recipe import Recipe


class VideoClassifier(L.LightningModule):
    """A network trained with cross-entropy on clip logits, SGD with momentum, warm-up and a cosine (A.1).

    Args:
        network: A network of the zoo; any with `fc`, its last layer, and `config.num_classes`.
        recipe: Learning rate, schedule and decay.
        seed: Seed of the dropout.

    Attributes:
        skipped: Unreadable videos of this epoch so far, over all ranks.
        seen: Videos of this epoch so far, over all ranks, unreadable ones included.
        read: Clips of this epoch that this rank has trained on.
        lost: Sum of their losses.
        right: How many of them were classified correctly.
        first_unread: Message about the first video that this rank could not read, or None.

    Example:
        >>> module = VideoClassifier(ctnet.create_model("ctnet_resnet50", num_classes=174), Recipe())
    """

    def __init__(self, network: nn.Module, recipe: Recipe, seed: int = 0):
        super().__init__()
        self.network, self.recipe, self.seed = network, recipe, seed
        for conv in network.modules():  # channels-last like the clips, so no step reorders
            if isinstance(conv, nn.Conv2d):
                conv.to(memory_format=torch.channels_last)
        self.accuracy = MulticlassAccuracy(network.config.num_classes, average="micro")
        self.first_unread: str | None = None
        self._step = torch.compile(self._classify, dynamic=False) if recipe.compiled else self._classify
        self._reset_sums()

    def _classify(self, clips: Tensor) -> Tensor:
        """Logits (N, classes) of uint8 clips."""
        return self.network(normalize(clips))

    def training_step(self, batch: Batch, step: int) -> Tensor | None:
        """Return the loss of this rank's share of a step, or None if the step has no clip at all.

        DDP averages gradients over ranks. The loss is scaled by this rank's number of clips, so that this average is
        the mean over all clips of the step: unreadable videos and a last, smaller batch make the shares unequal.

        Args:
            batch: uint8 clips (N, 3, T, H, W), their labels (N,), and messages about unreadable videos.
            step: Number of the step in this epoch.

        Returns:
            A scalar, or None.

        Raises:
            TrainingError: If the loss is not finite, or too many videos could not be read.
        """
        clips, labels = batch.clips, batch.labels
        self.first_unread = self.first_unread or next(iter(batch.skipped), None)
        size, world = len(labels), distributed.world_size()
        read, skipped, idle = distributed.all_sum(size, len(batch.skipped), int(not size))
        self._count_skipped(skipped, read)
        if idle == world == 1:
            return None
        if idle == world or idle and self.recipe.sync_bn:  # synchronised statistics need clips on every rank
            size = read = 0
        if size:
            torch.manual_seed(dropout_seed(self.seed, self.current_epoch, step, self.global_rank))
            whole = len(clips) * world == self.recipe.batch_size  # another size would be compiled again
            logits = (self._step if whole else self._classify)(clips)
            loss = cross_entropy(logits, labels)
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss.item()} in epoch {self.current_epoch}, step {step}: lower the learning rate "
                    f"(now {self.optimizers().param_groups[0]['lr']:.3g}); the last checkpoint is intact"
                )
            self.accuracy(logits, labels)
            self.read, self.lost = self.read + size, self.lost + size * loss.item()
            self.right += (logits.argmax(1) == labels).sum().item()
        else:  # an idle rank still takes part in DDP's average of every gradient
            loss = sum(p.sum() for p in self.network.parameters()) * 0.0
        loss = loss * (size * world / max(read, 1))
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=read, sync_dist=True)
        self.log("accuracy", self.accuracy, on_step=False, on_epoch=True, batch_size=read)
        return loss

    def configure_optimizers(self):
        """Return SGD with its five parameter groups, and the schedule of A.1 that is stepped after each epoch.

        Only weights of convolutions and of the last layer decay. The last layer learns faster (`Recipe.fc_lr`).
        """
        r = self.recipe
        norms = {id(p) for m in self.network.modules() if "Norm" in type(m).__name__ for p in m.parameters()}
        fc = self.network.fc
        last = {id(fc.weight), id(fc.bias)}
        rest = [p for p in self.network.parameters() if id(p) not in norms | last]
        lr = r.lr * r.batch_size / 64
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "lr": lr},
            {"params": [p for p in rest if p.ndim == 1], "lr": lr, "weight_decay": 0.0},
            {"params": [p for p in self.network.parameters() if id(p) in norms], "lr": lr, "weight_decay": 0.0},
            {"params": [fc.weight], "lr": lr * r.fc_lr[0]},
            {"params": [fc.bias], "lr": lr * r.fc_lr[1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.SGD(groups, lr=lr, momentum=r.momentum, weight_decay=r.weight_decay)
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, r.lr_factor)]

    def on_train_epoch_start(self):
        """Set the sums of the epoch to zero."""
        self._reset_sums()

    def on_train_epoch_end(self):
        """Check the epoch before its checkpoint is written.

        Raises:
            TrainingError: If too many videos could not be read, or a weight is not finite.
        """
        self._check_skipped()  # a small set never reaches the 100 videos of `_count_skipped`
        if not all(torch.isfinite(p).all() for p in self.network.parameters()):
            raise TrainingError(
                f"weights are not finite after epoch {self.current_epoch}: lower the learning rate; "
                "the last checkpoint is intact"
            )

    def _reset_sums(self):
        self.skipped = self.seen = self.read = self.lost = self.right = 0

    def _count_skipped(self, skipped: int, read: int):
        """Add up and log the unreadable videos of a step, over all ranks; stop if there are too many."""
        self.skipped, self.seen = self.skipped + skipped, self.seen + skipped + read
        self.log("skipped", float(self.skipped), on_step=False, on_epoch=True, reduce_fx="max", batch_size=1)
        if self.seen >= 100 or read == 0:
            self._check_skipped()

    def _check_skipped(self):
        if self.skipped > self.recipe.max_skipped * self.seen:
            error = TrainingError(
                f"{self.skipped} of {self.seen} videos could not be read; "
                "`python -m ctnet data verify` names each of them"
            )
            raise distributed.on_all_ranks(error)


def dropout_seed(seed: int, epoch: int, step: int, rank: int) -> int:
    """Return the seed of a step's dropout, so that a resumed run repeats the unbroken one.

    Different arguments give different seeds. A CPU uses only their last 32 bits, which differ for up to 8 ranks within
    a run of the paper's length.
    """
    return (seed * 100_003 + epoch) * 1_000_003 + step + rank * (2**52 + 0x9E3779B9)
