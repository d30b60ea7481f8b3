"""What a training run tells as it goes: clips/s, the progress bar, the course of the epochs."""

import csv
import signal
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar

from ctnet.paths import atomic


class Rates(L.Callback):
    """clips/s of the loader, of the model, and of both together.

    The loader's rate is clips over the time that a step waited for them: above the model's rate, the model is the
    limit.
    """

    clips, waited, worked = 0, 0.0, 0.0

    def on_train_epoch_start(self, trainer, module):
        self.mark = time.monotonic()

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.begun = time.monotonic()
        self.waited += self.begun - self.mark

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.mark = time.monotonic()
        self.worked += self.mark - self.begun
        self.clips += len(batch.labels) * trainer.world_size

    def state_dict(self):
        return {"clips": self.clips, "waited": self.waited, "worked": self.worked}

    def load_state_dict(self, state):
        self.clips, self.waited, self.worked = state["clips"], state["waited"], state["worked"]

    def per_second(self) -> dict[str, float]:
        pairs = {"loader": self.waited, "model": self.worked, "both": self.waited + self.worked}
        return {name: round(self.clips / max(seconds, 1e-9), 1) for name, seconds in pairs.items()}


class Progress(TQDMProgressBar):
    """Loss and accuracy of the epoch so far, clips/s of loader and of model, time left of the whole run; on stderr."""

    def __init__(self, rates: Rates):
        super().__init__()
        self.rates = rates

    def init_train_tqdm(self):
        with redirect_stdout(sys.stderr):  # Lightning's bar keeps the stdout that it finds, which is for results
            return super().init_train_tqdm()

    def on_train_start(self, trainer, module):
        super().on_train_start(trainer, module)
        self.started, self.first_epoch = time.monotonic(), trainer.current_epoch

    def get_metrics(self, trainer, module):
        items = super().get_metrics(trainer, module)
        items.pop("v_num", None)
        done = trainer.current_epoch - self.first_epoch
        done += (trainer.fit_loop.epoch_loop.batch_idx + 1) / max(trainer.num_training_batches, 1)
        left = (time.monotonic() - self.started) / done * (trainer.max_epochs - self.first_epoch - done)
        rates, read = self.rates.per_second(), max(module.read, 1)
        items |= {"loss": f"{module.lost / read:.3f}", "accuracy": f"{module.right / read:.3f}"}
        items |= {name: f"{rates[name]:.0f} clips/s" for name in ("loader", "model")}
        return items | {"left": f"{left / 60:.1f} min"}


HISTORY = ("loss", "accuracy", "skipped")


class History(L.Callback):
    """Loss, accuracy and unreadable videos of each epoch, and seconds of all, for the record and in `metrics.csv`.

    Lightning's CSVLogger deletes the file of a run that is resumed; here it is written whole from the record.
    """

    def __init__(self, folder: Path):
        self.epochs: list[dict[str, float]] = []
        self.folder, self.seconds = folder, 0.0

    def on_train_start(self, trainer, module):
        self.started = time.monotonic() - self.seconds
        if trainer.world_size > 1:  # torchrun ends the others when one fails: at once, not when their step is done
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_train_epoch_end(self, trainer, module):
        self.seconds = time.monotonic() - self.started
        values = {k: float(v) for k, v in trainer.callback_metrics.items()}
        self.epochs.append({k: round(values[k], 5) for k in HISTORY if k in values})
        if trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic(self.folder / "metrics.csv") as part, open(part, "w", newline="") as file:
                rows = csv.DictWriter(file, ("epoch", *HISTORY))
                rows.writeheader()
                rows.writerows({"epoch": i, **values} for i, values in enumerate(self.epochs))

    def state_dict(self):
        return {"epochs": self.epochs, "seconds": self.seconds}

    def load_state_dict(self, state):
        self.epochs, self.seconds = state["epochs"], state["seconds"]
