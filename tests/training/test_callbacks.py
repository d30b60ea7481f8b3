"""What a run reports: the progress bar, the logs, and clips per second."""

import csv
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ctnet.training import callbacks
from ctnet.training.callbacks import Rates
from tests.support.toy import RECIPE
from tests.training.test_train import fit


@pytest.fixture(scope="module")
def finished(toy, tmp_path_factory):
    """(folder, network, record) of a run of three epochs."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, *fit(toy, folder)


def test_progress_bar_shows_loss_accuracy_rates_and_time_left(toy, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    fit(toy, tmp_path, replace(RECIPE, epochs=1), progress=True)
    captured = capsys.readouterr()
    assert captured.out == "", "standard output is for results"
    line = r"loss=\d+\.\d+, accuracy=[01]\.\d+, loader=\d+ clips/s, model=\d+ clips/s, left=\d+\.\d min"
    assert re.search(r"Epoch 0: +25%.*" + line, captured.err), "from the first step"
    assert re.search(r"Epoch 0: 100%.*" + line, captured.err)
    assert "v_num" not in captured.err


def test_progress_bar_can_be_switched_off(toy, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    fit(toy, tmp_path, replace(RECIPE, epochs=1), progress=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_logs_hold_the_values_of_the_record(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, _, record = finished
    events = EventAccumulator(str(folder / "logs"))
    events.Reload()
    lines = list(csv.DictReader((folder / "logs" / "metrics.csv").open()))
    assert [int(line["epoch"]) for line in lines] == [0, 1, 2]
    for name in ("loss", "accuracy"):
        values = [epoch[name] for epoch in record["epochs"]]
        assert [float(line[name]) for line in lines] == values and all(value > 0 for value in values)
        assert [e.value for e in events.Scalars(name)] == pytest.approx(values, abs=1e-5)


def test_record_holds_clips_per_second(finished):
    _, _, record = finished
    rates = record["clips_per_s"]
    assert set(rates) == {"loader", "model", "both"}
    assert 0 < rates["both"] <= min(rates["loader"], rates["model"]) and record["seconds"] > 0


def test_clips_per_second_are_counted_over_waiting_and_working_time():
    rates = Rates()
    rates.load_state_dict({"clips": 120, "waited": 2.0, "worked": 4.0})
    assert rates.per_second() == {"loader": 60.0, "model": 30.0, "both": 20.0}


def test_time_is_counted_as_waiting_before_a_step_and_as_working_in_it(monkeypatch):
    clock = iter((10.0, 11.0, 14.0, 14.5, 16.5))
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    rates, trainer = Rates(), SimpleNamespace(world_size=2)
    batch = SimpleNamespace(labels=[0, 1, 0])
    rates.on_train_epoch_start(trainer, None)
    for step in range(2):
        rates.on_train_batch_start(trainer, None, batch, step)
        rates.on_train_batch_end(trainer, None, None, batch, step)
    assert rates.state_dict() == {"clips": 12, "waited": 1.5, "worked": 5.0}
