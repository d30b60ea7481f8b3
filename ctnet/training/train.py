"""Training: the recipe of A.1 as one LightningModule, driven by Lightning's Trainer."""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy

from ctnet import console, distributed
from ctnet.clips import normalize
from ctnet.data.dataset import VideoDataset
from ctnet.data.loading import Batch, loader, reading
from ctnet.errors import TrainingError
from ctnet.paths import atomic
from ctnet.training.callbacks import History, Progress, Rates
from ctnet.training.recipe import Recipe


def moment(seed: int, epoch: int, step: int, rank: int) -> int:
    """The seed of a step's dropout; as clips follow from (seed, epoch, index), a resumed run repeats the unbroken one.

    No two are equal, and on a CPU, which takes the last 32 bits, none of up to 8 processes in a run of the paper.
    """
    return (seed * 100_003 + epoch) * 1_000_003 + step + rank * (2**52 + 0x9E3779B9)


class VideoClassifier(L.LightningModule):
    """Cross-entropy on clip logits, SGD with momentum, warm-up and cosine per epoch (A.1)."""

    def __init__(self, network: nn.Module, recipe: Recipe, seed: int = 0):
        super().__init__()
        self.network, self.recipe, self.seed = network, recipe, seed
        for conv in network.modules():  # weights in the layout of the clips: no reordering in each step
            if isinstance(conv, nn.Conv2d):
                conv.to(memory_format=torch.channels_last)
        self.accuracy = MulticlassAccuracy(network.config.num_classes, average="micro")
        self.first_unread: str | None = None  # why, of the first video that this process could not read
        self.begin()

    def begin(self):
        """Sums over the clips of this epoch so far: unreadable and all; of this process read, their loss, right."""
        self.skipped = self.seen = self.read = self.lost = self.right = 0

    def on_train_epoch_start(self):
        self.begin()

    def training_step(self, batch: Batch, step: int) -> Tensor | None:
        """The loss of this process's clips, such that the mean over processes is the mean over the step's clips."""
        clips, labels = batch.clips, batch.labels
        self.first_unread = self.first_unread or next(iter(batch.skipped), None)
        size, world = len(labels), distributed.world_size()
        read, skipped, idle = distributed.all_sum(size, len(batch.skipped), int(not size))
        self.count_skipped(skipped, read)
        if idle == world == 1:
            return None
        if idle == world or idle and self.recipe.sync_bn:  # synchronised statistics need clips in each process
            size = read = 0
        if size:
            torch.manual_seed(moment(self.seed, self.current_epoch, step, self.global_rank))
            logits = self.network(normalize(clips))
            loss = cross_entropy(logits, labels)
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss.item()} in epoch {self.current_epoch}, step {step}: lower the learning rate "
                    f"(now {self.optimizers().param_groups[0]['lr']:.3g}); the last checkpoint is whole"
                )
            self.accuracy(logits, labels)
            self.read, self.lost = self.read + size, self.lost + size * loss.item()
            self.right += (logits.argmax(1) == labels).sum().item()
        else:  # nothing to learn from here, but the others wait for gradients of every weight
            loss = sum(p.sum() for p in self.network.parameters()) * 0.0
        loss = loss * (size * world / max(read, 1))
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=read, sync_dist=True)
        self.log("accuracy", self.accuracy, on_step=False, on_epoch=True, batch_size=read)
        return loss

    def count_skipped(self, skipped: int, read: int):
        """Unreadable videos of all processes are counted and reported; above the recipe's share training stops."""
        self.skipped, self.seen = self.skipped + skipped, self.seen + skipped + read
        self.log("skipped", float(self.skipped), on_step=False, on_epoch=True, reduce_fx="max", batch_size=1)
        if self.seen >= 100 or read == 0:
            self.check_skipped()

    def check_skipped(self):
        if self.skipped > self.recipe.max_skipped * self.seen:
            raise TrainingError(
                f"{self.skipped} of {self.seen} videos could not be read; "
                "`python -m ctnet data verify` names each of them"
            )

    def on_train_epoch_end(self):  # before the checkpoint is written
        self.check_skipped()  # a small set has no 100 clips to judge by
        if not all(torch.isfinite(p).all() for p in self.network.parameters()):
            raise TrainingError(
                f"weights are not finite after epoch {self.current_epoch}: lower the learning rate; "
                "the last checkpoint is whole"
            )

    def configure_optimizers(self):
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


class Clips(L.LightningDataModule):
    """Batches of the epoch in which training starts: worker processes draw clips before Lightning names the epoch."""

    def __init__(self, dataset: VideoDataset, batch_size: int, workers: int):
        super().__init__()
        self.batches = loader(dataset, batch_size, workers=workers)

    def train_dataloader(self) -> DataLoader:
        self.batches.batch_sampler.sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)
        return self.batches


class AtomicCheckpointIO(TorchCheckpointIO):
    """A checkpoint is written beside its place and moved there: a full disk or a kill leaves the old one whole."""

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as part, open(part, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            raise TrainingError(
                f"{path}: could not be written ({error}); make room, the checkpoint before is whole"
            ) from error


@contextmanager
def plain_errors(trainer: L.Trainer, folder: Path) -> Iterator[None]:
    """Lightning leaves the process on Ctrl-C and lets disk errors through as they come: both say here what to do."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt(f"interrupted in epoch {trainer.current_epoch}; the same command goes on") from None
    except BrokenPipeError:  # of the progress bar
        raise
    except OSError as error:
        raise TrainingError(f"{folder}: {error}; the last checkpoint is whole, the same command goes on") from error


def train(
    network: nn.Module,
    dataset: VideoDataset,
    recipe: Recipe,
    folder: Path,
    seed: int = 0,
    workers: int = 0,
    accelerator: str = "auto",
    progress: bool = True,
) -> dict:
    """Trains `network` in place; resumes from `folder/last.ckpt` if it is there.

    dataset: a training split, clips (C, T, H, W) uint8 · folder: for the checkpoint and the logs (TensorBoard, CSV) ·
    workers: processes that read videos, for each process that trains · returns the record of the run: loss and accuracy
    of each epoch, clips/s. One device, or in a job of several processes (`ctnet.processes`) one for each; all of them
    call this, and rank 0 writes. Raises TrainingError (NaN loss, full disk, too many unreadable videos, a batch that
    the processes cannot share) and DataError (a process that reads is lost); the last checkpoint stays whole. Epochs
    count from 0.
    """
    folder, world = Path(folder), distributed.world_size()
    if recipe.batch_size % world:
        raise TrainingError(
            f"{recipe.batch_size} clips a step cannot be shared evenly by {world} processes: "
            "take a number of processes that divides it"
        )
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # "GPU available: False" and the like
    history, rates = History(folder / "logs"), Rates()
    progress = progress and os.environ.get("TQDM_DISABLE", "0") in ("", "0")
    if progress and distributed.rank() == 0:
        print(rate_line(recipe, world), file=sys.stderr)
    keep = ModelCheckpoint(folder, "last", save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = L.Trainer(
        max_epochs=recipe.epochs,
        accelerator=accelerator,
        devices=distributed.local_world_size(),
        num_nodes=world // distributed.local_world_size(),
        strategy="ddp" if world > 1 else "auto",
        precision=recipe.precision,
        sync_batchnorm=recipe.sync_bn,
        gradient_clip_val=recipe.clip_norm,
        plugins=[AtomicCheckpointIO()],
        callbacks=[history, rates, keep, *([Progress(rates)] if progress else [])],
        logger=TensorBoardLogger(folder, "logs", ""),
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=10,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    clips = Clips(dataset, recipe.batch_size, workers)
    last = distributed.from_rank_0(lambda: folder / "last.ckpt" if (folder / "last.ckpt").exists() else None)
    with warnings.catch_warnings(), reading(dataset), plain_errors(trainer, folder):
        warnings.filterwarnings("ignore", module="lightning")  # folders that exist, few workers, few steps
        trainer.fit(module := VideoClassifier(network, recipe, seed), datamodule=clips, ckpt_path=last)
    distributed.share_state(network)
    tell_unread(dataset, history, module)
    course = {"epochs": history.epochs, "seconds": round(history.seconds, 1), "clips_per_s": rates.per_second()}
    return course | {"processes": world}


def tell_unread(dataset: VideoDataset, history: History, module: VideoClassifier) -> None:
    """One line on standard error where videos were left out of the training; all processes of a job call this."""
    first = next(filter(None, distributed.all_gather(module.first_unread)), None)
    if count := int(max((epoch.get("skipped", 0) for epoch in history.epochs), default=0)):
        console.note(
            f"{count} of {len(dataset)} clips of {dataset.manifest.folder / dataset.split}.csv could not be read and "
            f"were left out of the training{f'; the first: {first}' if first else ''}; "
            "`python -m ctnet data verify` names all"
        )


def rate_line(recipe: Recipe, world: int) -> str:
    """`lr 0.02 for 64 clips: 0.02 at 64 clips a step, 8 on each of 8 processes`"""
    size = recipe.batch_size
    line = f"lr {recipe.lr:g} for 64 clips: {recipe.lr * size / 64:g} at {size} clips a step"
    return line + (f", {size // world} on each of {world} processes" if world > 1 else "")
