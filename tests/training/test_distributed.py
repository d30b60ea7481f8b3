"""Two processes: they learn and score what one does, fail together, and are one launch for who looks on."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest
import torch

from ctnet import console, distributed, paths
from ctnet.data.loading import EpochSampler
from ctnet.errors import ConfigError, TrainingError
from ctnet.experiments import plan, records, run, scales
from ctnet.models import weights
from ctnet.training import launch
from tests.support.toy import training_set, write_set
from tests.training import jobs

HANGS = 500  # seconds; far more than a loaded machine needs


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """`clips`: 13 for training, one of them unreadable, and 7 for testing; `broken`: rank 1 can read little of it."""
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


@pytest.fixture(scope="module")
def came(sets):
    """Name of a job -> what came of it in each of its two processes."""
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "tests.training.jobs", str(sets.parent)]
    done = subprocess.run(command, env=environment, cwd=paths.ROOT, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr
    return {file.stem: torch.load(file, weights_only=False) for file in sets.parent.glob("*.pt")}


@pytest.fixture(scope="module")
def alone(sets):
    """The same in one process."""
    return jobs.fit(sets, sets.parent / "alone")


def same(a: dict, b: dict, tolerance: float = 0.0) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(v, b[k], rtol=0, atol=tolerance) for k, v in a.items())


def test_two_processes_learn_what_one_does_from_the_same_clips(came, alone):
    """Unreadable clips and a last step that is not for all included: gradients are means over the step's clips."""
    start = jobs.without_batch_norm().state_dict()
    assert not same(start, alone["weights"], 1e-3)
    for rank in (0, 1):
        found = came["equal"][rank]
        assert same(found["weights"], alone["weights"], 1e-9)
        assert found["record"]["processes"] == 2 and alone["record"]["processes"] == 1
        for here, there in zip(found["record"]["epochs"], alone["record"]["epochs"], strict=True):
            assert here == pytest.approx(there, abs=2e-5), "loss, accuracy and skipped are of all processes"
            assert here["skipped"] == 1


def test_two_processes_end_with_the_same_network_and_score_each_of_seven_clips_once(came, sets):
    first, second = came["batch_norm"][0], came["batch_norm"][1]
    assert any("running_mean" in name for name in first["weights"])
    assert same(first["weights"], second["weights"]), "batch statistics too, which are rank 0's"
    net = jobs.network(dropout=0.0)
    net.load_state_dict(first["weights"])
    expected = jobs.score(net, sets)
    assert expected["labels"].tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert not torch.equal(expected["in order"], expected["shuffled"])
    assert same(first["scores"], expected, 1e-6) and same(second["scores"], first["scores"])


def test_videos_that_one_process_cannot_read_stop_both(came):
    told = "3 of 13 videos could not be read; `python -m ctnet data verify` names each of them"
    assert came["unreadable"] == {0: told, 1: told}


def test_synchronised_statistics_leave_out_a_step_that_has_no_clip_for_one_process(came, sets):
    first, second = came["synchronised"][0], came["synchronised"][1]
    assert same(first["weights"], second["weights"])
    whole = jobs.fit(sets, sets.parent / "whole", recipe=replace(jobs.SAME, epochs=1))
    assert not same(first["weights"], whole["weights"], 1e-6), "the last step has one clip"
    *_, last = whole["record"]["epochs"]
    assert last["loss"] != pytest.approx(first["record"]["epochs"][0]["loss"], abs=1e-6)


def test_a_killed_process_ends_the_job_and_the_same_call_goes_on_as_if_nothing_had_been(came):
    # told by whom torchrun sees first: the one that is gone, or the one that waited for it
    assert came["killed"].startswith(("1: Signal 9 (SIGKILL)", "0: {'message': 'RuntimeError: ["))
    for rank in (0, 1):
        found, unbroken = came["resumed"][rank], came["equal"][rank]
        assert same(found["weights"], unbroken["weights"])
        assert found["record"]["epochs"] == unbroken["record"]["epochs"]
    assert came["resumed"][1]["steps"] == [(1, step) for step in range(4)]


def test_a_loss_that_is_not_a_number_in_one_process_ends_both(came, sets):
    assert isinstance(came["diverged"], str), "it failed"
    (told,) = (sets.parent / "diverged").glob("told-*")
    assert told.name == "told-1" and told.read_text().startswith("the loss is nan in epoch 1, step 2: lower")


def test_a_batch_that_cannot_be_shared_evenly_is_an_error(came):
    assert "5 clips a step cannot be shared evenly by 2 processes" in came["odd_share"][0]
    assert came["odd_share"][0] == came["odd_share"][1]


def test_two_jobs_that_want_the_same_experiment_run_it_once(came):
    ran = [came[f"twice-{job}"][rank]["ran"] for job in "ab" for rank in (0, 1)]
    assert sorted(ran) == [[], [], [0], [1]], "both processes of one job"
    records = [came[f"twice-{job}"][rank]["record"] for job in "ab" for rank in (0, 1)]
    assert records[0]["training"]["processes"] == 2 and all(record == records[0] for record in records)


def test_a_notebook_follows_an_experiment_on_two_devices(sets, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CTNET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CTNET_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    e = replace(jobs.E, data=str(sets / "clips"))
    result = run.run(e, devices=2)
    told = capsys.readouterr().err
    assert "lr 0.02 for 64 clips: 0.00125 at 4 clips a step, 2 on each of 2 processes" in told
    assert "Epoch 0: 100%" in told and result == records.read(e.key, "cpu")
    assert result.record["training"]["processes"] == 2 and result.record["labels"] == [0, 1, 0, 1, 0, 1, 0]
    folder = tmp_path / "runs" / "cpu" / e.key
    test = jobs.evaluation.test_split(sets / "clips", e.protocol)
    again = jobs.evaluation.score(weights.load(folder / plan.WEIGHTS), test, e.protocol)
    assert again.predictions.tolist() == result.record["predictions"]
    assert not (folder / "last.ckpt").exists()
    monkeypatch.setattr(launch, "launch", lambda *_: pytest.fail("run again"))
    assert run.run(e, devices=2) == result


@pytest.mark.parametrize("scale", scales.SCALES)
def test_an_experiment_reaches_its_processes_whole(scale):
    from ctnet.experiments import worker

    (e, *_) = scales.experiments("ctnet_resnet50", scale)
    assert worker.read(json.dumps(asdict(e))) == e


ROLE = """
import os, signal, sys, time
if os.environ["ROLE"] == "prints":
    os.write(1, f"result {os.environ['RANK']}\\n".encode())
    raise SystemExit(os.write(2, f"told {os.environ['RANK']}\\n".encode()) * 0)
os.write(1, f"process {os.getpid()}\\n".encode())  # in one piece, whatever the other writes
if os.environ["RANK"] == "1" and os.environ["ROLE"] == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if os.environ["ROLE"] == "talks":
    os.write(2, b"so far, so good\\n")
if os.environ["ROLE"] == "tells":
    raise SystemExit(print("ctnet: this is no error", file=sys.stderr))
time.sleep(1000)
"""


@pytest.fixture
def role(tmp_path, monkeypatch):
    """The module `role`, whose process of rank 1 dies, or works for long."""
    (tmp_path / "role.py").write_text(ROLE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(paths.ROOT)]))
    return lambda name: monkeypatch.setenv("ROLE", name)


def test_a_killed_process_ends_the_launch_with_one_line(role, capsys):
    role("dies")
    with pytest.raises(
        TrainingError, match="^process 1 ended with SIGKILL, and so the job; give the same command again$"
    ):
        launch.launch(["role"], 2)
    pids = [int(line.split()[1]) for line in capsys.readouterr().out.splitlines() if line.startswith("process")]
    assert pids and not any(map(alive, pids)), "nothing is left"


def test_a_job_that_goes_well_keeps_nothing_to_itself(role, capsys):
    role("tells")
    launch.launch(["role"], 1)
    assert "ctnet: this is no error\n" in capsys.readouterr().err


def test_an_interrupt_ends_the_processes(role, monkeypatch):
    role("works")
    pids = []

    def interrupted(output):
        while len(pids) < 2:
            name, *rest = output.readline().split()
            pids.extend(map(int, rest) if name == b"process" else ())
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "pass_on", interrupted)
    with pytest.raises(KeyboardInterrupt):
        launch.launch(["role"], 2)
    assert len(pids) == 2 and not any(map(alive, pids))


def test_a_job_whose_words_nobody_reads_is_ended(role, monkeypatch, capsys):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

    role("talks")
    monkeypatch.setattr(sys, "stderr", Closed())
    with pytest.raises(BrokenPipeError):
        launch.launch(["role"], 2)
    pids = [int(line.split()[1]) for line in capsys.readouterr().out.splitlines() if line.startswith("process")]
    assert not any(map(alive, pids))


def test_a_job_that_was_given_up_says_no_more(capsys):
    given_up = threading.Event()
    given_up.set()
    assert launch.follow(io.BytesIO(b"Received 15 death signal\nctnet: one\n"), given_up) == ["one"]
    assert capsys.readouterr().err == ""


def test_a_note_is_said_by_one_process(monkeypatch, capsys):
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    console.note("known")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(distributed, "rank", lambda: 0)
    console.note("known")
    assert capsys.readouterr().err == "ctnet: note: known\n"


def alive(pid: int) -> bool:
    for _ in range(100):  # the last moments of a process that was told to end
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


def test_lines_come_as_they_are_and_errors_are_kept_for_the_end(capsys):
    output = b"one\nctnet: note: two\n\rEpoch 0: 10%\rEpoch 0: 50%ctnet: the loss is nan\nctnet: process 1 ended\n"
    assert launch.follow(io.BytesIO(output)) == ["the loss is nan", "process 1 ended"]
    assert capsys.readouterr() == ("", "one\nctnet: note: two\n\rEpoch 0: 10%\rEpoch 0: 50%")


def test_what_a_job_prints_as_results_stays_apart_from_what_it_tells(role, capsys):
    role("prints")
    launch.launch(["role"], 2)
    told = capsys.readouterr()
    assert sorted(told.out.splitlines()) == ["result 0", "result 1"] and "told 0" in told.err and "told 1" in told.err


def test_numbers_of_processes_that_do_not_fit_are_refused(monkeypatch):
    with pytest.raises(ConfigError, match="2 machines find each other at one of them: --rendezvous HOST:PORT"):
        launch.launch(["role"], 1, nodes=2)
    with pytest.raises(ConfigError, match="must be at least 1, not 0 and 1"):
        launch.launch(["role"], 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(ConfigError, match="1 x 8 processes: each needs a GPU of its own, and 4 are visible here"):
        launch.launch(["role"], 8)
