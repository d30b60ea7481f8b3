"""The training loop: Lightning's Trainer with resume, atomic checkpoints, and clear errors."""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch._dynamo.exc import BackendCompilerFailed
from torch.utils.data import DataLoader

from ctnet import console, distributed
from ctnet.data.dataset import VideoDataset
from ctnet.data.loading import loader, reading
from ctnet.errors import TrainingError
from ctnet.paths import atomic
from ctnet.training.callbacks import History, Progress, Rates, Validation
from ctnet.training.classifier import VideoClassifier
from ctnet.training.recipe import Recipe


def train(
    network: nn.Module,
    dataset: VideoDataset,
    recipe: Recipe,
    folder: str | Path,
    seed: int = 0,
    workers: int = 0,
    accelerator: str = "auto",
    progress: bool = True,
    validation: Callable[[nn.Module], dict[str, float]] | None = None,
) -> dict:
    """Train a network in place; resume from `folder/last.ckpt` if it exists.

    Uses one device, or under torchrun one per rank; then every rank calls this function and rank 0 writes.

    Args:
        network: A network of the zoo.
        dataset: A training split, of uint8 clips (3, T, H, W).
        recipe: Epochs, batch size, learning rate and so on.
        folder: Where the checkpoint and the logs (TensorBoard, CSV) are written.
        seed: Seed of the dropout; the data set has its own seed.
        workers: Processes that read videos, per rank; 0 reads in this process.
        accelerator: Of Lightning's Trainer: `auto`, `gpu` or `cpu`.
        progress: Whether to show a progress bar on standard error.
        validation: Called with the network after each epoch; the values that it returns are kept and decide nothing.

    Returns:
        The record of the run: `epochs` (loss, accuracy, unreadable videos and validation of each), `seconds`,
        `clips_per_s` of the loader, of the model and of both, and `processes`, the number of ranks.

    Raises:
        TrainingError: If the loss or a weight is not finite, the disk is full, too many videos cannot be read, or the
            ranks cannot share a batch evenly. The last checkpoint stays intact.
        DataError: If a process that reads videos dies. The last checkpoint stays intact.

    Example:
        >>> network = ctnet.create_model("ctnet_resnet50", num_classes=2, num_frames=8)
        >>> clips = ctnet.data.VideoDataset("data/sets/mine", "train", 8, 224, True)
        >>> record = train(network, clips, Recipe(epochs=10), "runs/mine")
    """
    folder, world = Path(folder), distributed.world_size()
    if recipe.batch_size % world:
        error = TrainingError(
            f"{recipe.batch_size} clips a step cannot be shared evenly by {world} processes: "
            "take a number of processes that divides it"
        )
        raise distributed.on_all_ranks(error)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # hides "GPU available: False" and the like
    check = Validation(validation) if validation else None
    history, rates = History(folder / "logs", check), Rates()
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
        callbacks=[*([check] if check else []), history, rates, keep, *([Progress(rates)] if progress else [])],
        logger=TensorBoardLogger(folder, "logs", ""),
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=10,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    batches = _EpochBatches(dataset, recipe.batch_size, workers)
    with warnings.catch_warnings(), reading(dataset), _clear_errors(trainer, folder):
        warnings.filterwarnings("ignore", module="lightning")  # about existing folders, few workers, few steps
        module = VideoClassifier(network, recipe, seed)
        last = distributed.from_rank_0(lambda: folder / "last.ckpt" if (folder / "last.ckpt").exists() else None)
        trainer.fit(module, datamodule=batches, ckpt_path=last)
    distributed.share_state(network)
    _report_unread(dataset, history, module)
    course = {"epochs": history.epochs, "seconds": round(history.seconds, 1), "clips_per_s": rates.per_second()}
    return course | {"processes": world}


def rate_line(recipe: Recipe, world: int) -> str:
    """Return `lr 0.02 for 64 clips: 0.02 at 64 clips a step, 8 on each of 8 processes`."""
    size = recipe.batch_size
    line = f"lr {recipe.lr:g} for 64 clips: {recipe.lr * size / 64:g} at {size} clips a step"
    return line + (f", {size // world} on each of {world} processes" if world > 1 else "")


class _EpochBatches(L.LightningDataModule):
    """The training batches. Workers read ahead before Lightning sets the epoch, so the first one is set here."""

    def __init__(self, dataset: VideoDataset, batch_size: int, workers: int):
        super().__init__()
        self.batches = loader(dataset, batch_size, workers=workers)

    def train_dataloader(self) -> DataLoader:
        self.batches.batch_sampler.sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)
        return self.batches


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a temporary file and renames it, so that a full disk or a kill leaves the old checkpoint intact."""

    def save_checkpoint(self, checkpoint, path, storage_options=None):
        """Write a checkpoint.

        Args:
            checkpoint: What `torch.save` writes.
            path: Its final place; the folder is made if needed.
            storage_options: Unused; part of Lightning's interface.

        Raises:
            TrainingError: If it cannot be written; an older checkpoint at `path` is unchanged.
        """
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as part, open(part, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            raise TrainingError(
                f"{path}: could not be written ({error}); make room; the previous checkpoint is intact"
            ) from error


@contextmanager
def _clear_errors(trainer: L.Trainer, folder: Path) -> Iterator[None]:
    """Say what to do after Ctrl-C, on which Lightning exits, and after an error of the disk or the compiler."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt(f"interrupted in epoch {trainer.current_epoch}; the same command resumes") from None
    except BackendCompilerFailed as error:
        reason = str(error.inner_exception).strip().splitlines()[0]
        raise TrainingError(
            f"the steps cannot be compiled ({reason}); install a C++ compiler (g++), or train without `compiled`"
        ) from error
    except BrokenPipeError:  # from the progress bar: nobody reads it any more
        raise
    except OSError as error:
        raise TrainingError(f"{folder}: {error}; the last checkpoint is intact; the same command resumes") from error


def _report_unread(dataset: VideoDataset, history: History, module: VideoClassifier) -> None:
    """Print one line if videos were left out of the training; every rank calls this."""
    first = next(filter(None, distributed.all_gather(module.first_unread)), None)
    if count := int(max((epoch.get("skipped", 0) for epoch in history.epochs), default=0)):
        console.note(
            f"{count} of {len(dataset)} clips of {dataset.manifest.folder / dataset.split}.csv could not be read and "
            f"were left out of the training{f'; the first: {first}' if first else ''}; "
            "`python -m ctnet data verify` names all"
        )
