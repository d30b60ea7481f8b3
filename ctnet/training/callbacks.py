"""Lightning callbacks that report on a run: clips per second, progress bar, validation, and history of epochs."""

import csv
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import nn

from ctnet.paths import atomic


class Rates(L.Callback):
    """Measures clips per second of the loader, of the model, and of both together.

    The loader's rate counts only the time in which a step waits for its clips: if it is above the model's rate, the
    model is the bottleneck.

    Attributes:
        clips: Clips so far, over all ranks.
        waited: Seconds in which this rank waited for clips.
        worked: Seconds in which this rank computed.
    """

    clips, waited, worked = 0, 0.0, 0.0

    def on_train_epoch_start(self, trainer, module):
        """Start to wait for the first batch."""
        self._mark = time.monotonic()

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        """Count the time since the last batch as waiting."""
        self._begun = time.monotonic()
        self.waited += self._begun - self._mark

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        """Count the time since the start of this batch as work."""
        self._mark = time.monotonic()
        self.worked += self._mark - self._begun
        self.clips += len(batch.labels) * trainer.world_size

    def state_dict(self):
        """Return the sums, for the checkpoint."""
        return {"clips": self.clips, "waited": self.waited, "worked": self.worked}

    def load_state_dict(self, state):
        """Restore the sums from a checkpoint."""
        self.clips, self.waited, self.worked = state["clips"], state["waited"], state["worked"]

    def per_second(self) -> dict[str, float]:
        """Return clips per second of `loader`, `model` and `both`."""
        pairs = {"loader": self.waited, "model": self.worked, "both": self.waited + self.worked}
        return {name: round(self.clips / max(seconds, 1e-9), 1) for name, seconds in pairs.items()}


class Progress(TQDMProgressBar):
    """A progress bar on standard error: loss and accuracy so far, clips per second, time left of the whole run.

    Args:
        rates: The callback that measures clips per second.
    """

    def __init__(self, rates: Rates):
        super().__init__()
        self.rates = rates

    def init_train_tqdm(self):
        """Return the bar. Lightning's own would write to standard output, which is for results."""
        with redirect_stdout(sys.stderr):
            return super().init_train_tqdm()

    def on_train_start(self, trainer, module):
        """Remember when and in which epoch this run starts, to estimate the time left."""
        super().on_train_start(trainer, module)
        self._started, self._first_epoch = time.monotonic(), trainer.current_epoch

    def get_metrics(self, trainer, module):
        """Return the values that are shown beside the bar."""
        items = super().get_metrics(trainer, module)
        items.pop("v_num", None)
        done = trainer.current_epoch - self._first_epoch
        done += (trainer.fit_loop.epoch_loop.batch_idx + 1) / max(trainer.num_training_batches, 1)
        left = (time.monotonic() - self._started) / done * (trainer.max_epochs - self._first_epoch - done)
        rates, read = self.rates.per_second(), max(module.read, 1)
        items |= {"loss": f"{module.lost / read:.3f}", "accuracy": f"{module.right / read:.3f}"}
        items |= {name: f"{rates[name]:.0f} clips/s" for name in ("loader", "model")}
        return items | {"left": f"{left / 60:.1f} min"}


class Validation(L.Callback):
    """Calls a function with the network after each epoch, to see how soon it learns. Nothing is decided from it.

    Args:
        measure: From the network to values by name; it may set the network to eval mode.

    Attributes:
        found: What the last epoch gave.
    """

    def __init__(self, measure: Callable[[nn.Module], dict[str, float]]):
        self.measure = measure
        self.found: dict[str, float] = {}

    def on_train_epoch_end(self, trainer, module):
        """Measure, and go on in training mode."""
        self.found = self.measure(module.network)
        module.network.train()


HISTORY = ("loss", "accuracy", "skipped")


class History(L.Callback):
    """Keeps loss, accuracy and unreadable videos of each epoch, and writes them to `metrics.csv`.

    Lightning's CSVLogger deletes the file of a resumed run; here each epoch rewrites it whole.

    Args:
        folder: Where `metrics.csv` is written.
        validation: What validates each epoch, before this callback; or None.

    Attributes:
        epochs: One dict of the values named in `HISTORY` per epoch, and of what validation found, as `validation`.
        seconds: Duration of the run, over all its starts.
    """

    def __init__(self, folder: Path, validation: Validation | None = None):
        self.epochs: list[dict] = []
        self.folder, self.validation, self.seconds = folder, validation, 0.0

    def on_train_start(self, trainer, module):
        """Start the clock, and let SIGTERM end a rank at once.

        Lightning would finish the step first, which waits for a rank that has failed.
        """
        self._started = time.monotonic() - self.seconds
        if trainer.world_size > 1:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_train_epoch_end(self, trainer, module):
        """Keep the values of the epoch; rank 0 writes the file."""
        self.seconds = time.monotonic() - self._started
        values = {k: float(v) for k, v in trainer.callback_metrics.items()}
        self.epochs.append({k: round(values[k], 5) for k in HISTORY if k in values})
        if self.validation:
            self.epochs[-1]["validation"] = self.validation.found
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic(self.folder / "metrics.csv") as part, open(part, "w", newline="") as file:
                rows = csv.DictWriter(file, ("epoch", *HISTORY), extrasaction="ignore")
                rows.writeheader()
                rows.writerows({"epoch": i, **values} for i, values in enumerate(self.epochs))

    def state_dict(self):
        """Return what was kept, for the checkpoint."""
        return {"epochs": self.epochs, "seconds": self.seconds}

    def load_state_dict(self, state):
        """Restore the history from a checkpoint."""
        self.epochs, self.seconds = state["epochs"], state["seconds"]
