"""Running experiments: once each, recorded, resumed, scored again from kept weights, and averaged in ensembles."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from ctnet import paths
from ctnet.data import motionpairs
from ctnet.data.loading import readers
from ctnet.errors import ConfigError, DataError, ResultError, TrainingError, WeightsError
from ctnet.experiments import plan, records, runner, scales
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.protocol import Protocol
from ctnet.training import VideoClassifier, fit
from ctnet.training.recipe import Recipe
from tests.support.toy import PLAIN, write_set

E = Experiment(
    "tsn_resnet50",
    recipe=Recipe(epochs=2, batch_size=22, warmup=0, scales=(1.0,), lr=0.1),
    protocol=Protocol(4, size=32),
    scale="little",
    overrides=tuple(PLAIN.items()),
)
BLANK = dict.fromkeys(records.NEEDED, {})
ALL_STEPS = [(epoch, step) for epoch in (0, 1) for step in (0, 1)]


@pytest.fixture
def home(little, tmp_path, monkeypatch):
    """Little data, and empty folders for runs and results."""
    for variable, folder in (("DATA", little), ("RUNS", tmp_path / "runs"), ("RESULTS", tmp_path / "results")):
        monkeypatch.setenv(f"CTNET_{variable}", str(folder))
    return tmp_path


@pytest.fixture
def steps(monkeypatch):
    """(epoch, step) of every training step that is made from here on."""
    made, step = [], VideoClassifier.training_step

    def count(self, batch, number):
        made.append((self.current_epoch, number))
        return step(self, batch, number)

    monkeypatch.setattr(VideoClassifier, "training_step", count)
    return made


def test_experiment_is_run_once_and_recorded(home, monkeypatch):
    from ctnet.data.manifest import DataInfo
    from ctnet.inference.evaluate import score, test_split
    from ctnet.inference.scores import Scores, metrics
    from ctnet.models import weights

    result = runner.run(E, progress=False)
    record = result.record
    assert result.key == E.key and records.path_of(E.key, "little") == home / "results" / "little" / f"{E.key}.json"
    assert record["experiment"]["recipe"]["lr"] == 0.1
    assert record["experiment"]["overrides"] == {"width": 16, "depths": [1, 1, 1, 1]}
    assert record["experiment"]["protocol_name"] == "4x1x1@32" and record["experiment"]["seed"] == 0
    splits = {"train": 44, "validation": 44, "test": 44}
    expected = {
        "name": "motionpairs-little",
        "version": motionpairs.VERSION,
        "splits": splits,
        "content": None,
        "classes": list(motionpairs.CLASSES),
        "tiers": list(motionpairs.TIERS),
        "reverse": list(motionpairs.REVERSE),
    }
    assert record["data"] == expected
    assert len(record["predictions"]) == len(record["labels"]) == 44 and record["labels"] == list(range(44))
    assert len(record["training"]["epochs"]) == 2 and record["training"]["seconds"] > 0
    assert set(record["provenance"]) == {"device", "python", "versions", "commit", "started", "finished"}
    for metric in ("pairs.strict", "shuffled.pairs.strict"):  # TSN sees no order; twins give it different frames here
        assert abs(result.metric(metric) - 50.0) <= 25

    # what is left of the run says the same again
    folder = paths.runs_root() / "little" / E.key
    info = DataInfo.read(paths.data_root() / "motionpairs-little")
    kept = Scores.load(folder / f"scores-{E.key}.npz")
    assert kept.predictions.tolist() == record["predictions"]
    assert metrics(kept) | {"shuffled": result.metrics["shuffled"]} == result.metrics
    network = weights.load(folder / "weights.safetensors")
    assert network.classes == list(info.classes) and network.protocol == E.protocol
    again = score(network, test_split(paths.data_root() / "motionpairs-little", E.protocol), E.protocol)
    assert again.logits == pytest.approx(kept.logits, abs=1e-5)
    assert (folder / "logs" / "metrics.csv").exists() and not (folder / "last.ckpt").exists()

    monkeypatch.setattr(runner, "carry_out", lambda *_: pytest.fail("run again"))
    found = runner.run(E)
    assert found == result
    assert records.recorded([E, replace(E, seed=1)]) == [found]


def test_fresh_trains_again_and_replaces_the_record(home, steps):
    first = runner.run(E, progress=False)
    assert steps == ALL_STEPS
    path = records.path_of(E.key, "little")
    path.write_text(path.read_text().replace('"seconds"', '"secs"'))
    second = runner.run(E, fresh=True, progress=False)
    assert steps == 2 * ALL_STEPS
    assert '"seconds"' in path.read_text()
    assert second.metrics == first.metrics and second.record["training"]["epochs"] == first.record["training"]["epochs"]


def test_fresh_loads_what_another_fresh_call_recorded_meanwhile(home, monkeypatch):
    records.write(E.key, "little", BLANK)
    monkeypatch.setattr(runner, "carry_out", lambda *_: pytest.fail("run twice"))
    locked = plan.Plan.locked

    @contextmanager
    def waits(self):
        records.write(E.key, "little", BLANK | {"metrics": {"top1": 1.0}}, replace=True)
        os.utime(records.path_of(E.key, "little"), (time.time() + 1,) * 2)
        with locked(self):
            yield

    monkeypatch.setattr(plan.Plan, "locked", waits)
    assert runner.run(E, fresh=True).metrics == {"top1": 1.0}


def test_videos_are_read_by_worker_processes_beside_a_gpu(home, monkeypatch):
    asked = []
    monkeypatch.setattr(runner, "carry_out", lambda plan, workers, *_: asked.append(workers) or {})
    monkeypatch.setattr(records, "write", lambda *_, **__: None)
    for gpu in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        runner.run(E)
    assert asked == [0, readers()]


def test_results_folder_that_cannot_be_made_is_an_error_before_training(home, monkeypatch):
    monkeypatch.setattr(runner, "carry_out", lambda *_: pytest.fail("hours of work"))
    (home / "results").write_text("a file")
    with pytest.raises(ResultError, match="results/little: cannot be made .Not a directory.; .* set CTNET_RESULTS"):
        runner.run(E)


def test_fresh_ignores_a_checkpoint(home, steps, monkeypatch):
    cut_off(monkeypatch)
    steps.clear()
    runner.run(E, fresh=True, progress=False)
    assert {epoch for epoch, _ in steps} == {0, 1}


def cut_off(monkeypatch):
    """The experiment, broken off after its first epoch."""

    def stop(self, trainer, module, start=fit.Rates.on_train_epoch_start):
        if trainer.current_epoch == 1:
            raise RuntimeError("the power is cut")
        start(self, trainer, module)

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="the power is cut"):
        patch.setattr(fit.Rates, "on_train_epoch_start", stop)
        runner.run(E, progress=False)


def test_interrupted_run_resumes_and_ends_like_an_unbroken_one(home, steps, monkeypatch):
    whole = runner.run(E, progress=False)
    records.path_of(E.key, "little").unlink()
    shutil.rmtree(plan.folder_of(E))
    cut_off(monkeypatch)
    assert records.recorded([E]) == []
    steps.clear()
    resumed = runner.run(E, progress=False)
    assert {epoch for epoch, _ in steps} == {1}
    assert resumed.metrics == whole.metrics and resumed.record["predictions"] == whole.record["predictions"]
    assert resumed.record["training"]["epochs"] == whole.record["training"]["epochs"]


def test_checkpoint_left_after_the_record_is_removed(home):
    from filelock import FileLock

    folder = plan.folder_of(E)
    folder.mkdir(parents=True)
    (folder / "last.ckpt").touch()
    records.write(E.key, "little", BLANK)
    with FileLock(folder / "lock"):
        runner.run(E)
        assert (folder / "last.ckpt").exists(), "another process is training in this folder"
    runner.run(E)
    assert not (folder / "last.ckpt").exists()


CHILD = """
import os, sys, time
from pathlib import Path
from filelock import FileLock
from ctnet.experiments import records, runner
from ctnet.experiments.experiment import Experiment
place = Path(sys.argv[1])
def acquire(self, *arguments, acquire=FileLock.acquire, **options):
    print("asks for the lock", flush=True)
    return acquire(self, *arguments, **options)
FileLock.acquire = acquire
def carry_out(plan, workers, progress, since):
    with open(place / "ran", "a") as file:
        file.write(f"{os.getpid()}\\n")
    print("runs", flush=True)
    while not (place / "go").exists():
        time.sleep(0.02)
    return dict.fromkeys(records.NEEDED, {"pid": os.getpid()})
runner.carry_out = carry_out
print(runner.run(Experiment("tsn_resnet50", scale="smoke")).metrics["pid"], flush=True)
"""


def test_two_processes_run_the_same_experiment_once(places):
    """The first one holds the lock until the second one has asked for it."""

    def start():
        command = [sys.executable, "-c", CHILD, str(places)]
        environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout.readline() == "asks for the lock\n"
        return child

    first = start()
    assert first.stdout.readline() == "runs\n"
    second = start()
    (places / "go").touch()
    printed = [child.communicate()[0].strip() for child in (first, second)]
    assert [child.returncode for child in (first, second)] == [0, 0]
    assert printed == [str(first.pid)] * 2 and (places / "ran").read_text() == f"{first.pid}\n"


def test_damaged_record_is_named_and_kept(home, steps):
    path = records.path_of(E.key, "little")
    path.parent.mkdir(parents=True)
    for text in ('{"metrics": {"top1"', "[]", "null", '{"metrics": {}}', b"\xff\xfe"):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ResultError, match=f"{path}: .*restore it from git or delete it"):
            runner.run(E)
        assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())
    assert steps == []


def test_record_that_appeared_meanwhile_is_not_overwritten(home, monkeypatch):
    path = records.path_of(E.key, "little")

    def carry_out(*_):
        path.write_text("{}")
        return BLANK

    monkeypatch.setattr(runner, "carry_out", carry_out)
    with pytest.raises(ResultError, match="a result is recorded already; run it fresh to replace it"):
        runner.run(E)
    assert path.read_text() == "{}"


def test_record_of_other_clips_under_the_same_name_is_refused(home, tmp_path, monkeypatch):
    own = write_set(tmp_path / "own", clips=2)
    facts = json.loads((own / "dataset.json").read_text())
    e = replace(E, data=str(own), scale="cpu")
    records.write(e.key, "cpu", BLANK | {"data": {"content": "a1"}})
    for content in (None, "a1"):  # a set prepared before hashes were kept, and the same clips
        (own / "dataset.json").write_text(json.dumps(facts | ({"content_sha256": content} if content else {})))
        assert runner.run(e).key == e.key
    (own / "dataset.json").write_text(json.dumps(facts | {"content_sha256": "b2"}))
    with pytest.raises(ResultError, match="was recorded on other clips than data set .* holds now"):
        runner.run(e)
    monkeypatch.setenv("CTNET_DATA", str(home / "nowhere"))
    (own / "dataset.json").unlink()
    assert runner.run(e).key == e.key, "a record can be read without its data"


def test_missing_data_set_raises_and_leaves_no_files(home, monkeypatch):
    monkeypatch.setenv("CTNET_DATA", str(home / "nowhere"))
    with pytest.raises(DataError, match="data set absent; run: python -m ctnet data prepare motionpairs"):
        runner.run(replace(E, scale="smoke"))
    assert list(home.iterdir()) == []


def test_runs_folder_that_cannot_be_written_is_named(home, monkeypatch):
    (home / "file").touch()
    monkeypatch.setenv("CTNET_RUNS", str(home / "file"))
    with pytest.raises(TrainingError, match="make room or set CTNET_RUNS"):
        runner.run(E)


def test_seeds_give_different_experiments(home):
    first, second = (runner.run(replace(E, seed=seed), progress=False) for seed in (0, 1))
    assert first.key != second.key
    losses = [r.record["training"]["epochs"][0]["loss"] for r in (first, second)]
    assert not np.isclose(*losses), "another seed has other weights and another order"


# --- one training, several tests


def test_other_views_are_scored_from_kept_weights_without_training(home, steps):
    first = runner.run(E, progress=False)
    assert steps == ALL_STEPS
    views = [replace(E, protocol=replace(E.protocol, crops=3)), replace(E, protocol=replace(E.protocol, clips=2))]
    found = [runner.run(e, progress=False) for e in views]
    assert steps == ALL_STEPS, "nothing was trained again"
    assert len({first.key, *(r.key for r in found)}) == 3
    for result, name in zip(found, ("4x3x1@32", "4x1x2@32"), strict=True):
        assert result.record["experiment"]["protocol_name"] == name
        assert result.record["training"] == first.record["training"]
        assert result.record["training"]["experiment"] == E.key
    assert found[0].metrics["top1"] == first.metrics["top1"], "three crops of a square clip are one"
    assert {p.name for p in plan.folder_of(E).glob("scores-*.npz")} == {f"scores-{r.key}.npz" for r in (first, *found)}


def test_experiment_reuses_weights_of_an_earlier_three_crop_run(home, steps):
    three = replace(E, protocol=replace(E.protocol, crops=3))
    runner.run(three, progress=False)
    assert steps == ALL_STEPS
    runner.run(E, progress=False)
    assert steps == ALL_STEPS


def test_network_is_tested_on_another_data_set_of_the_same_classes(home, steps, tmp_path):
    one, other = (write_set(tmp_path / name, clips=4) for name in ("one", "other"))
    for folder in (one, other):
        write_set(folder, clips=4, seed=3, split="test")
        facts = json.loads((folder / "dataset.json").read_text())
        (folder / "dataset.json").write_text(
            json.dumps(facts | {"splits": {"train": 4, "test": 4}, "name": folder.name})
        )
    e = replace(E, data=str(one), scale="cpu", recipe=replace(E.recipe, batch_size=4))
    runner.run(e, progress=False)
    steps.clear()
    moved = runner.run(replace(e, test_data=str(other)), progress=False)
    assert steps == [] and moved.record["data"]["name"] == "other"
    facts = json.loads((other / "dataset.json").read_text())
    (other / "dataset.json").write_text(json.dumps(facts | {"classes": ["green", "red"]}))
    records.path_of(moved.key, "cpu").unlink()
    with pytest.raises(ConfigError, match="other: other classes than tsn_resnet50 was trained on"):
        runner.run(replace(e, test_data=str(other)), progress=False)


def test_fresh_trains_a_shared_training_once(home, steps):
    three = replace(E, protocol=replace(E.protocol, crops=3))
    for e in (E, three):
        runner.run(e, progress=False)
    steps.clear()
    since = time.time()
    for e in (E, three):
        runner.run(e, fresh=True, progress=False, since=since)
    assert steps == ALL_STEPS


def test_weights_of_other_clips_under_the_same_name_are_refused(home, tmp_path):
    own = write_set(tmp_path / "own", clips=4)
    write_set(own, clips=4, seed=1, split="test")
    facts = json.loads((own / "dataset.json").read_text()) | {"splits": {"train": 4, "test": 4}}
    (own / "dataset.json").write_text(json.dumps(facts | {"content_sha256": "a1"}))
    e = replace(E, data=str(own), scale="cpu", recipe=replace(E.recipe, batch_size=4))
    runner.run(e, progress=False)
    (own / "dataset.json").write_text(json.dumps(facts | {"content_sha256": "b2"}))
    with pytest.raises(
        WeightsError, match="weights.safetensors: was trained on other clips than the data set holds now"
    ):
        runner.run(replace(e, protocol=replace(e.protocol, crops=3)), progress=False)


def test_old_weights_without_a_course_take_it_from_their_record(home, steps):
    from ctnet.models import weights

    def forget_the_course():
        network = weights.load(plan.folder_of(E) / plan.WEIGHTS)
        weights.save(network, plan.folder_of(E) / plan.WEIGHTS, classes=network.classes)

    first = runner.run(E, progress=False)
    forget_the_course()
    steps.clear()
    again = runner.run(replace(E, protocol=replace(E.protocol, clips=2)), progress=False)
    assert steps == [] and again.record["training"] == first.record["training"]
    records.path_of(E.key, "little").unlink()
    runner.run(replace(E, protocol=replace(E.protocol, clips=3)), progress=False)
    assert steps == ALL_STEPS, "nothing says how these weights were trained: train again"


# --- ensembles


def test_ensemble_averages_the_scores_of_its_members_and_names_them(home, steps):
    from ctnet.inference.scores import Scores, ensemble, metrics

    members = (E, replace(E, protocol=replace(E.protocol, clips=2)))
    both = Ensemble(members)
    result = runner.run_ensemble(both, progress=False)
    assert steps == ALL_STEPS, "the members share their training"
    assert result.record["experiment"]["members"] == [e.key for e in members]
    assert result.record["experiment"]["protocol_name"] == "4x1x1@32 + 4x1x2@32"
    kept = {e.key: Scores.load(plan.folder_of(e) / f"scores-{e.key}.npz") for e in members}
    together = ensemble(kept)
    assert result.record["predictions"] == together.predictions.tolist() and result.metrics == metrics(together)
    assert records.recorded([*members, both])[2] == result
    assert runner.run_ensemble(both) == result, "recorded"


def test_ensemble_of_recorded_members_without_scores_scores_them_again(home, steps):
    members = (E, replace(E, protocol=replace(E.protocol, clips=2)))
    for e in members:
        runner.run(e, progress=False)
        (plan.folder_of(e) / f"scores-{e.key}.npz").unlink()
    steps.clear()
    assert runner.run_ensemble(Ensemble(members), progress=False).seed == 0
    assert steps == []


def test_ensemble_refuses_a_member_whose_record_is_of_other_weights(home):
    """As in a fresh clone: the record is there, the weights that it was made with are not."""
    members = (E, replace(E, protocol=replace(E.protocol, clips=2)))
    for e in members:
        runner.run(e, progress=False)
    path = records.path_of(E.key, "little")
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"predictions": [(p + 1) % 44 for p in record["predictions"]]}))
    shutil.rmtree(plan.folder_of(E))
    with pytest.raises(ResultError, match=f"{E.key}: trained here, it predicts other classes than its record"):
        runner.run_ensemble(Ensemble(members), progress=False)
    assert records.recorded([Ensemble(members)]) == []
    runner.run_ensemble(Ensemble(members), fresh=True, progress=False)
    assert len(records.recorded([Ensemble(members)])) == 1


# --- weights that start from another training


@pytest.fixture
def two_sets(home, tmp_path):
    """(an experiment that starts from the weights of another set, the experiment on that set)."""
    for name in ("first", "second"):
        folder = write_set(tmp_path / name, clips=4)
        write_set(folder, clips=4, seed=1, split="test")
        facts = json.loads((folder / "dataset.json").read_text()) | {"splits": {"train": 4, "test": 4}}
        (folder / "dataset.json").write_text(json.dumps(facts))
    recipe = replace(E.recipe, batch_size=4)
    e = replace(E, data=str(tmp_path / "second"), scale="cpu", recipe=recipe, init=str(tmp_path / "first"))
    return e, scales.start_of(e)


def test_start_is_trained_and_recorded_first(two_sets, steps):
    e, start = two_sets
    runner.run(e, progress=False)
    assert len(steps) == 4, "two epochs of one step for each of the two"
    assert [r.key for r in records.recorded([start, e])] == [start.key, e.key]
    for each in two_sets:
        assert not (plan.folder_of(each) / plan.CHECKPOINT).exists()
    steps.clear()
    runner.run(replace(e, seed=0, protocol=replace(e.protocol, clips=2)), progress=False)
    assert steps == []


def test_start_with_kept_weights_needs_no_data(two_sets, steps, tmp_path):
    e, start = two_sets
    runner.run(start, progress=False)
    shutil.rmtree(tmp_path / "first")
    steps.clear()
    runner.run(e, progress=False)
    assert len(steps) == 2, "only the second set is trained on"


# --- plans


def test_plan_names_every_folder_once(home):
    made = plan.resolve(replace(E, protocol=replace(E.protocol, crops=3)))
    assert made.folder == paths.runs_root() / "little" / E.key and made.weights.parent == made.folder
    assert made.train_set == made.test_set == paths.data_root() / "motionpairs-little" and made.start is None


def test_plan_refuses_unbuildable_networks_and_unknown_starts(home):
    with pytest.raises(ConfigError, match="ct_resnet50_blocks1 has no little scale .*; use gpu or paper"):
        plan.resolve(replace(E, model="ct_resnet50_blocks1", overrides=(("depths", (2, 2, 2)),)))
    with pytest.raises(ConfigError, match="init 'imagenett' is neither scratch, imagenet nor a prepared data set"):
        plan.resolve(replace(E, init="imagenett"))
