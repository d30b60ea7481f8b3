"""Two ranks train and score as one process does, fail together, and print one error."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from ctnet import console, distributed, paths
from ctnet.data.loading import EpochSampler
from ctnet.experiments import plan, records, runner, scales
from ctnet.experiments.experiment import Experiment
from ctnet.inference import evaluate
from ctnet.models import weights
from ctnet.training import launch
from tests.support.toy import training_set, write_set
from tests.training import jobs


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """`clips`: 13 training clips, one of them unreadable, and 7 test clips; `broken`: rank 1 can read few clips."""
    folder = tmp_path_factory.mktemp("jobs") / "sets"
    clips = write_set(folder / "clips", clips=13)
    facts = json.loads((clips / "dataset.json").read_text())
    write_set(clips, clips=7, seed=1, split="test")
    (clips / "dataset.json").write_text(json.dumps(facts | {"splits": {"train": 13, "test": 7}}))
    order = list(EpochSampler(training_set(clips), True, 0))
    (clips / f"train{order[2]:02d}.avi").write_bytes(b"no video")
    broken = write_set(folder / "broken", clips=13)
    for i in (1, 3, 5):
        (broken / f"train{order[i]:02d}.avi").write_bytes(b"no video")
    return folder


class Outcomes:
    """Name of a job -> its outcome. The jobs run one after the other in one process; each test waits for its own."""

    def __init__(self, process: subprocess.Popen, folder: Path):
        self.process, self.folder, self.done = process, folder, set()

    def __getitem__(self, name: str):
        while name not in self.done:
            line = self.process.stdout.readline()  # the process prints the name of each job that is done
            assert line, "the jobs ended early"
            self.done.add(line.strip())
        return torch.load(self.folder / f"{name}.pt", weights_only=False)


@pytest.fixture(scope="module")
def outcomes(sets):
    """Name of a job -> what each of its two ranks returned, or how it failed."""
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "tests.training.jobs", str(sets.parent)]
    with subprocess.Popen(command, env=environment, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield Outcomes(process, sets.parent)
        process.kill()


@pytest.fixture(scope="module")
def single(sets):
    """Record and weights of the job `equal` in one process."""
    return jobs.fit(sets, sets.parent / "single")


def close(a: dict, b: dict, tolerance: float = 0.0) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(v, b[k], rtol=0, atol=tolerance) for k, v in a.items())


def test_two_ranks_learn_what_one_process_learns(outcomes, single):
    """Gradients are means over a step's clips, also with unreadable clips and a step in which one rank has none."""
    start = jobs.without_batch_norm().state_dict()
    assert not close(start, single["weights"], 1e-3)
    for rank in (0, 1):
        found = outcomes["equal"][rank]
        assert close(found["weights"], single["weights"], 1e-9)
        assert found["record"]["processes"] == 2 and single["record"]["processes"] == 1
        for here, there in zip(found["record"]["epochs"], single["record"]["epochs"], strict=True):
            assert here == pytest.approx(there, abs=2e-5), "loss, accuracy and skipped cover both ranks"
            assert here["skipped"] == 1


def test_two_ranks_end_with_the_same_network_and_score_each_clip_once(outcomes, sets):
    first, second = outcomes["batch_norm"][0], outcomes["batch_norm"][1]
    assert any("running_mean" in name for name in first["weights"])
    assert close(first["weights"], second["weights"]), "batch statistics too: those of rank 0"
    net = jobs.network(dropout=0.0)
    net.load_state_dict(first["weights"])
    expected = jobs.score(net, sets)
    assert expected["labels"].tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert not torch.equal(expected["in order"], expected["shuffled"])
    assert close(first["scores"], expected, 1e-6) and close(second["scores"], first["scores"])


def test_unreadable_videos_of_one_rank_stop_both_with_one_message(outcomes):
    message = "3 of 13 videos could not be read; `python -m ctnet data verify` names each of them"
    assert outcomes["unreadable"] == {0: (message, f"ctnet: {message}\n"), 1: (message, "")}


def test_synchronised_batch_norm_skips_a_step_in_which_one_rank_has_no_clip(outcomes, sets):
    first, second = outcomes["synchronised"][0], outcomes["synchronised"][1]
    assert close(first["weights"], second["weights"])
    whole = jobs.fit(sets, sets.parent / "whole", recipe=replace(jobs.SAME, epochs=1))
    assert not close(first["weights"], whole["weights"], 1e-6), "the last step has one clip"
    *_, last = whole["record"]["epochs"]
    assert last["loss"] != pytest.approx(first["record"]["epochs"][0]["loss"], abs=1e-6)


def test_killed_rank_ends_the_job_and_the_same_call_resumes_exactly(outcomes):
    # torchrun may see the killed rank first, or the other one, which lost its connection
    assert outcomes["killed"].startswith(("1: Signal 9 (SIGKILL)", "0: {'message': 'RuntimeError: ["))
    for rank in (0, 1):
        found, unbroken = outcomes["resumed"][rank], outcomes["equal"][rank]
        assert close(found["weights"], unbroken["weights"])
        assert found["record"]["epochs"] == unbroken["record"]["epochs"]
    assert outcomes["resumed"][1]["steps"] == [(1, step) for step in range(4)]


def test_nan_loss_on_one_rank_ends_both(outcomes, sets):
    assert isinstance(outcomes["diverged"], str), "the job failed"
    (message,) = (sets.parent / "diverged").glob("error-*")
    assert message.name == "error-1" and message.read_text().startswith("the loss is nan in epoch 1, step 2: lower")


def test_batch_that_ranks_cannot_share_evenly_is_one_error(outcomes):
    (message, on_rank_0), (same_message, on_rank_1) = outcomes["odd_share"][0], outcomes["odd_share"][1]
    assert "5 clips a step cannot be shared evenly by 2 processes" in message and same_message == message
    assert (on_rank_0, on_rank_1) == (f"ctnet: {message}\n", "")


def test_error_of_rank_0_is_raised_on_all_ranks_and_printed_once(outcomes):
    message = "no on rank 0"
    assert outcomes["refused"] == {0: (message, f"ctnet: {message}\n"), 1: (message, "")}


def test_two_jobs_run_the_same_experiment_once(outcomes):
    ran = [outcomes[f"twice-{job}"][rank]["ran"] for job in "ab" for rank in (0, 1)]
    assert sorted(ran) == [[], [], [0], [1]], "both ranks of one job"
    records = [outcomes[f"twice-{job}"][rank]["record"] for job in "ab" for rank in (0, 1)]
    assert records[0]["training"]["processes"] == 2 and all(record == records[0] for record in records)


def test_experiment_on_two_devices_shows_progress_and_is_recorded(sets, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))
    monkeypatch.setenv("CTNET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    e = replace(jobs.E, data=str(sets / "clips"))
    result = runner.run(e, devices=2)
    stderr = capfd.readouterr().err
    assert "lr 0.02 for 64 clips: 0.00125 at 4 clips a step, 2 on each of 2 processes" in stderr
    assert "Epoch 0: 100%" in stderr and result == records.read(e.key, "cpu")
    assert result.record["training"]["processes"] == 2 and result.record["labels"] == [0, 1, 0, 1, 0, 1, 0]
    folder = tmp_path / "runs" / "cpu" / e.key
    test = evaluate.test_split(sets / "clips", e.protocol)
    again = evaluate.score(weights.load(folder / plan.WEIGHTS), test, e.protocol)
    assert again.predictions.tolist() == result.record["predictions"]
    assert not (folder / "last.ckpt").exists()
    monkeypatch.setattr(launch, "launch", lambda *_: pytest.fail("run again"))
    assert runner.run(e, devices=2) == result


@pytest.mark.parametrize("scale", scales.SCALES)
def test_experiment_reaches_the_ranks_unchanged(scale):
    (e, *_) = scales.per_seed("ctnet_resnet50", scale)
    assert Experiment.from_dict(json.loads(json.dumps(asdict(e)))) == e


def test_note_is_printed_by_rank_0_only(monkeypatch, capsys):
    monkeypatch.setattr(console, "rank", lambda: 1)
    console.note("known")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(console, "rank", lambda: 0)
    console.note("known")
    assert capsys.readouterr().err == "ctnet: note: known\n"


def test_error_of_one_rank_is_printed_by_that_rank(monkeypatch, capsys):
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    console.tell(ValueError("the loss is nan"))
    assert capsys.readouterr().err == "ctnet: the loss is nan\n"
