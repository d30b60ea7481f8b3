"""Experiments: a key that names all that matters, run once, recorded, found again."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ctnet import paths
from ctnet.data import motionpairs
from ctnet.data.loading import readers
from ctnet.errors import ConfigError, DataError, ResultError, TrainingError
from ctnet.experiments import plan, records, run, scales
from ctnet.experiments.experiment import Experiment
from ctnet.paper import printed, studies
from ctnet.protocol import Protocol
from ctnet.training import fit
from ctnet.training.recipe import Recipe
from tests.support.toy import PLAIN

pytest_plugins = "tests.support.prepared"

E = Experiment(
    "tsn_resnet50",
    recipe=Recipe(epochs=2, batch_size=22, warmup=0, scales=(1.0,), lr=0.1),
    protocol=Protocol(4, size=32),
    scale="little",
    overrides=tuple(PLAIN.items()),
)


@pytest.fixture
def home(little, tmp_path, monkeypatch):
    """Little data, and empty folders for runs and results."""
    for variable, folder in (("DATA", little), ("RUNS", tmp_path / "runs"), ("RESULTS", tmp_path / "results")):
        monkeypatch.setenv(f"CTNET_{variable}", str(folder))
    return tmp_path


@pytest.fixture
def steps(monkeypatch):
    """(epoch, step) of every training step that is made from here on."""
    made, step = [], fit.VideoClassifier.training_step

    def count(self, batch, number):
        made.append((self.current_epoch, number))
        return step(self, batch, number)

    monkeypatch.setattr(fit.VideoClassifier, "training_step", count)
    return made


def test_the_key_is_the_same_on_every_machine():
    pinned = Experiment(
        "ctnet_resnet50",
        data="kinetics400",
        recipe=Recipe(110, 64, 0.01, 10, 0.5, 1e-4, 0.9, 20.0, (5.0, 10.0), (1.0, 0.875), True, "32-true", 0.05),
        protocol=Protocol(8, 3, 10, 256, "dense"),
        seed=3,
        scale="paper",
        overrides=(("width", 64),),
    )
    assert pinned.key == "ctnet_resnet50-s3-c138681a50a5"


def test_every_field_changes_the_key():
    other = {str: lambda v: v + "x", int: lambda v: v + 1, float: lambda v: v + 0.5, bool: lambda v: not v}
    other[type(None)] = lambda _: 512

    def changed(value):
        """The value with each of its fields in turn set to something else."""
        for f in fields(value):
            old = getattr(value, f.name)
            if f.name == "sampling":
                yield replace(value, sampling="dense")
            elif f.name == "crops":
                yield replace(value, crops=3)
            elif isinstance(old, Recipe | Protocol):
                yield from (replace(value, **{f.name: new}) for new in changed(old))
            else:
                new = (*old, old[0]) if isinstance(old, tuple) else other[type(old)](old)
                yield replace(value, **{f.name: new})

    base = replace(E, data="kinetics400", overrides=(("width", 16),))
    made = [base, replace(base, overrides=(("width", 32),)), *changed(base)]
    assert len(made) == 2 + len(fields(Recipe)) + len(fields(Protocol)) + len(fields(Experiment)) - 2
    assert len({e.key for e in made}) == len(made)


def test_the_key_follows_the_version_of_drawn_clips(monkeypatch):
    smoke = replace(E, scale="smoke")
    before = smoke.key
    assert before.startswith("tsn_resnet50-s0-") and before == replace(E, scale="smoke").key
    monkeypatch.setattr(motionpairs, "VERSION", motionpairs.VERSION + 1)
    assert smoke.key != before


def test_an_experiment_is_run_once_and_recorded_with_all_that_it_took(home, monkeypatch):
    from ctnet.data.manifest import DataInfo
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import Scores, metrics
    from ctnet.models import weights

    result = run.run(E, progress=False)
    record = result.record
    assert result.key == E.key and records.path_of(E.key, "little") == home / "results" / "little" / f"{E.key}.json"
    assert record["experiment"]["recipe"]["lr"] == 0.1
    assert record["experiment"]["overrides"] == {"width": 16, "depths": [1, 1, 1, 1]}
    assert record["experiment"]["protocol_name"] == "4x1x1@32" and record["experiment"]["seed"] == 0
    splits = {"train": 44, "test": 44}
    told = {
        "name": "motionpairs-little",
        "version": motionpairs.VERSION,
        "splits": splits,
        "content": None,
        "classes": list(motionpairs.CLASSES),
    }
    assert record["data"] == told
    assert len(record["predictions"]) == len(record["labels"]) == 44 and record["labels"] == list(range(44))
    assert len(record["training"]["epochs"]) == 2 and record["training"]["seconds"] > 0
    assert set(record["provenance"]) == {"device", "python", "versions", "commit", "started", "finished"}
    assert result.metric("pairs.strict") == result.metric("shuffled.pairs.strict") == 50.0  # TSN sees no order

    # what is left of the run says the same again
    folder = paths.runs_root() / "little" / E.key
    info = DataInfo.read(paths.data_root() / "motionpairs-little")
    kept = Scores.load(folder / "scores.npz")
    assert kept.predictions.tolist() == record["predictions"]
    assert metrics(kept) | {"shuffled": result.metrics["shuffled"]} == result.metrics
    network = weights.load(folder / "weights.safetensors")
    assert network.classes == list(info.classes) and network.protocol == E.protocol
    again = score(network, test_split(paths.data_root() / "motionpairs-little", E.protocol), E.protocol)
    assert again.logits == pytest.approx(kept.logits, abs=1e-5)
    assert (folder / "logs" / "metrics.csv").exists() and not (folder / "last.ckpt").exists()

    monkeypatch.setattr(run, "carry_out", lambda *_: pytest.fail("run again"))
    found = run.run(E)
    assert found == result
    assert records.recorded([E, replace(E, seed=1)]) == [found]


def test_fresh_runs_all_of_it_again_and_replaces_the_record(home, steps):
    first = run.run(E, progress=False)
    all_steps = [(epoch, step) for epoch in (0, 1) for step in (0, 1)]
    assert steps == all_steps
    path = records.path_of(E.key, "little")
    path.write_text(path.read_text().replace('"seconds"', '"secs"'))
    second = run.run(E, fresh=True, progress=False)
    assert steps == 2 * all_steps
    assert '"seconds"' in path.read_text()
    assert second.metrics == first.metrics and second.record["training"]["epochs"] == first.record["training"]["epochs"]


def test_fresh_takes_what_another_fresh_call_made_while_it_waited(home, monkeypatch):
    records.write(E.key, "little", dict.fromkeys(records.NEEDED, {}))
    monkeypatch.setattr(run, "carry_out", lambda *_: pytest.fail("run twice"))
    alone = run.alone

    @contextmanager
    def waits(experiment):
        records.write(E.key, "little", dict.fromkeys(records.NEEDED, {}) | {"metrics": {"top1": 1.0}}, replace=True)
        os.utime(records.path_of(E.key, "little"), (time.time() + 1,) * 2)
        with alone(experiment) as folder:
            yield folder

    monkeypatch.setattr(run, "alone", waits)
    assert run.run(E, fresh=True).metrics == {"top1": 1.0}


def test_videos_are_read_by_other_processes_beside_a_gpu(home, monkeypatch):
    asked = []
    monkeypatch.setattr(run, "carry_out", lambda e, folder, workers, _: asked.append(workers) or {})
    monkeypatch.setattr(records, "write", lambda *_, **__: None)
    for gpu in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        run.run(E)
    assert asked == [0, readers()]


def test_a_place_that_takes_no_record_is_told_before_training(home, monkeypatch):
    monkeypatch.setattr(run, "carry_out", lambda *_: pytest.fail("hours of work"))
    (home / "results").write_text("a file")
    with pytest.raises(ResultError, match="results/little: cannot be made .Not a directory.; .* set CTNET_RESULTS"):
        run.run(E)


def test_fresh_does_not_go_on_from_a_checkpoint(home, steps, monkeypatch):
    cut_off(monkeypatch)
    steps.clear()
    run.run(E, fresh=True, progress=False)
    assert {epoch for epoch, _ in steps} == {0, 1}


def cut_off(monkeypatch):
    """The experiment, broken off after its first epoch."""

    def stop(self, trainer, module, start=fit.Rates.on_train_epoch_start):
        if trainer.current_epoch == 1:
            raise RuntimeError("the power is cut")
        start(self, trainer, module)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="the power is cut"):
        patch.setattr(fit.Rates, "on_train_epoch_start", stop)
        run.run(E, progress=False)


def test_a_run_that_was_cut_off_goes_on_and_ends_as_the_unbroken_one(home, steps, monkeypatch):
    whole = run.run(E, progress=False)
    records.path_of(E.key, "little").unlink()
    cut_off(monkeypatch)
    assert records.recorded([E]) == []
    steps.clear()
    resumed = run.run(E, progress=False)
    assert {epoch for epoch, _ in steps} == {1}
    assert resumed.metrics == whole.metrics and resumed.record["predictions"] == whole.record["predictions"]
    assert resumed.record["training"]["epochs"] == whole.record["training"]["epochs"]


def test_the_checkpoint_of_a_run_killed_after_its_record_is_removed(home):
    from filelock import FileLock

    folder = plan.folder_of(E)
    folder.mkdir(parents=True)
    (folder / "last.ckpt").touch()
    records.write(E.key, "little", dict.fromkeys(records.NEEDED, {}))
    with FileLock(folder / "lock"):
        run.run(E)
        assert (folder / "last.ckpt").exists(), "another process runs it anew"
    run.run(E)
    assert not (folder / "last.ckpt").exists()


CHILD = """
import os, sys, time
from pathlib import Path
from ctnet import experiments, results
place = Path(sys.argv[1])
def carry_out(experiment, folder, workers, progress):
    with open(place / "ran", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not (place / "go").exists():
        time.sleep(0.02)
    return dict.fromkeys(results.NEEDED, {"pid": os.getpid()})
experiments.carry_out = carry_out
print("asks", flush=True)
print(experiments.run(experiments.Experiment("tsn_resnet50", scale="smoke")).metrics["pid"], flush=True)
"""


def test_two_processes_that_want_the_same_experiment_run_it_once(places):
    def start():
        command = [sys.executable, "-c", CHILD, str(places)]
        environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout.readline() == "asks\n"
        return child

    first = start()
    while not (places / "ran").exists():
        assert first.poll() is None
        time.sleep(0.02)
    second = start()
    time.sleep(0.5)  # room to do the wrong thing
    assert second.poll() is None, "it waits"
    (places / "go").touch()
    told = [child.communicate()[0].strip() for child in (first, second)]
    assert [child.returncode for child in (first, second)] == [0, 0]
    assert told == [str(first.pid)] * 2 and (places / "ran").read_text() == f"{first.pid}\n"


def test_a_damaged_result_is_named_and_left_alone(home, steps):
    path = records.path_of(E.key, "little")
    path.parent.mkdir(parents=True)
    for text in ('{"metrics": {"top1"', "[]", "null", '{"metrics": {}}', b"\xff\xfe"):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ResultError, match=f"{path}: .*restore it from git or delete it"):
            run.run(E)
        assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())
    assert steps == []


def test_a_result_that_came_from_elsewhere_meanwhile_is_not_overwritten(home, monkeypatch):
    path = records.path_of(E.key, "little")

    def carry_out(*_):
        path.write_text("{}")
        return dict.fromkeys(records.NEEDED, {})

    monkeypatch.setattr(run, "carry_out", carry_out)
    with pytest.raises(ResultError, match="there is a result already; it is replaced only when asked"):
        run.run(E)
    assert path.read_text() == "{}"


def test_a_record_of_other_clips_under_the_same_name_is_not_shown_as_theirs(home, tmp_path, monkeypatch):
    from tests.support.toy import write_set

    own = write_set(tmp_path / "own", clips=2)
    facts = json.loads((own / "dataset.json").read_text())
    e = replace(E, data=str(own), scale="cpu")
    records.write(e.key, "cpu", dict.fromkeys(records.NEEDED, {}) | {"data": {"content": "a1"}})
    for content in (None, "a1"):  # sets of before there was a sum, and the same clips
        (own / "dataset.json").write_text(json.dumps(facts | ({"content_sha256": content} if content else {})))
        assert run.run(e).key == e.key
    (own / "dataset.json").write_text(json.dumps(facts | {"content_sha256": "b2"}))
    with pytest.raises(ResultError, match="was recorded on other clips than data set .* holds now"):
        run.run(e)
    monkeypatch.setenv("CTNET_DATA", str(home / "nowhere"))
    (own / "dataset.json").unlink()
    assert run.run(e).key == e.key, "a result can be looked at without its data"


def test_nothing_is_made_where_the_data_are_absent(home, monkeypatch):
    monkeypatch.setenv("CTNET_DATA", str(home / "nowhere"))
    with pytest.raises(DataError, match="data set absent; run: python -m ctnet data prepare motionpairs"):
        run.run(replace(E, scale="smoke"))
    assert list(home.iterdir()) == []


def test_a_place_for_runs_that_cannot_be_written_is_named(home, monkeypatch):
    (home / "file").touch()
    monkeypatch.setenv("CTNET_RUNS", str(home / "file"))
    with pytest.raises(TrainingError, match="make room or set CTNET_RUNS"):
        run.run(E)


def test_seeds_are_runs_of_their_own(home):
    first, second = (run.run(replace(E, seed=seed), progress=False) for seed in (0, 1))
    assert first.key != second.key
    losses = [r.record["training"]["epochs"][0]["loss"] for r in (first, second)]
    assert not np.isclose(*losses), "another seed, other weights and another order"
    with pytest.raises(ConfigError, match="seed must be at least 0, not -1"):
        replace(E, seed=-1)


@pytest.mark.parametrize("scale", scales.SCALES)
def test_a_row_has_an_experiment_for_each_seed_of_the_scale(scale):
    made = scales.experiments("ctnet_resnet50", scale)
    settings = scales.SCALES[scale]
    assert tuple(e.seed for e in made) == settings.seeds and len({e.key for e in made}) == len(made)
    assert {(e.recipe, e.protocol, e.data, e.scale) for e in made} == {
        (settings.recipe, settings.protocol, settings.data, scale)
    }
    assert [e.seed for e in scales.experiments("ctnet_resnet50", scale, seeds=[7, 5])] == [7, 5]


def test_the_paper_scale_is_the_recipe_of_a1():
    assert scales.SCALES["paper"].recipe == Recipe()
    assert str(scales.SCALES["paper"].protocol) == "8x1x1@256"


def test_unknown_names_are_named_with_the_near_ones():
    with pytest.raises(ConfigError, match="unknown scale 'cpuu'; did you mean cpu"):
        scales.experiments("ctnet_resnet50", "cpuu")
    with pytest.raises(ConfigError, match="unknown model 'ctnet_resnet5'; did you mean ctnet_resnet50"):
        scales.experiments("ctnet_resnet5", "cpu")


def test_a_row_of_the_paper_finds_its_result_of_the_largest_scale(home):
    row = printed.row("2a/ct")
    assert studies.recorded_for(row) is None
    for scale in ("cpu", "gpu"):
        (e,) = scales.experiments(row.models[0], scale, seeds=[1])
        records.write(e.key, scale, dict.fromkeys(records.NEEDED, {}))
        assert studies.recorded_for(row) == e.key
    assert studies.recorded_for(replace(row, models=())) is None


def test_fewer_epochs_than_the_warm_up_are_refused():
    for scale, epochs in (("smoke", 0), ("cpu", 1), ("paper", 8)):
        with pytest.raises(ConfigError, match=f"{epochs} epochs: must be more than the"):
            scales.experiments("tsn_resnet50", scale, epochs=epochs)


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert readers() == 8
    monkeypatch.setenv("CTNET_CORES", "4")
    assert readers() == 3


def test_a_set_of_ones_own_does_not_take_the_recipe_of_one_that_its_name_begins_with():
    def recipe(data):
        return scales.experiments("ctnet_resnet50", "paper", data)[0].recipe

    assert recipe("ucf101_3") == recipe("ucf101") != recipe("ucf101_small") == recipe("mine")
