"""Training learns, resumes exactly after a kill, and says clearly why it stops."""

import csv
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

import ctnet
from ctnet import paths
from ctnet.data.dataset import VideoDataset
from ctnet.errors import DataError, TrainingError
from ctnet.inference import evaluate, scores
from ctnet.protocol import Protocol
from ctnet.training import Recipe, VideoClassifier, train
from ctnet.training import fit as loop
from ctnet.training.callbacks import Rates
from ctnet.training.classifier import dropout_seed
from tests.support.toy import RECIPE, network, training_set, write_set


def fit(data: Path, folder: Path, recipe: Recipe = RECIPE, net=None, **options):
    """Train the toy network from the same initial weights; return the network and the record."""
    torch.manual_seed(7)
    net = net or network()
    options = {"accelerator": "cpu", "progress": False} | options
    return net, train(net, training_set(data), recipe, folder, **options)


def same_weights(a, b) -> bool:
    return all(torch.equal(x, b.state_dict()[k]) for k, x in a.state_dict().items())


@pytest.fixture(scope="module")
def unbroken(toy, tmp_path_factory):
    """(folder, network, record) of a run of three epochs without interruption."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, *fit(toy, folder)


def test_training_learns_to_tell_colours_apart(toy, unbroken, tmp_path):
    write_set(tmp_path, clips=12, seed=1, split="test")
    net, record = fit(toy, tmp_path / "run", replace(RECIPE, epochs=8, dropout=0.0), network(dropout=0.0))
    losses = [e["loss"] for e in record["epochs"]]
    assert len(losses) == 8 and losses[-1] < losses[0] / 2 and record["epochs"][-1]["accuracy"] > 0.9
    protocol = Protocol(4, size=32)
    held_out = evaluate.test_split(tmp_path, protocol)
    assert scores.metrics(evaluate.score(net, held_out, protocol))["top1"] >= 90


def test_one_step_changes_every_weight(toy, tmp_path):
    net = network()
    for p in net.parameters():
        assert p.requires_grad
    before = {k: p.detach().clone() for k, p in net.named_parameters()}
    train(net, training_set(toy), replace(RECIPE, epochs=1, batch_size=16), tmp_path, accelerator="cpu", progress=False)
    unchanged = [k for k, p in net.named_parameters() if torch.equal(p, before[k])]
    assert not unchanged


def test_same_seed_repeats_a_run_and_another_seed_does_not(toy, unbroken, tmp_path):
    _, reference, record = unbroken
    again, repeated = fit(toy, tmp_path / "again", workers=1)  # clips are read in another process
    assert same_weights(again, reference) and repeated["epochs"] == record["epochs"]
    other, _ = fit(toy, tmp_path / "other", seed=1)  # other dropout
    assert not same_weights(other, reference)


CHILD = """
import sys, time, torch
torch.set_num_threads(1)
from pathlib import Path
from ctnet.training.callbacks import Rates
from tests.training.test_train import fit
def report(self, trainer, module, outputs, batch, step, end=Rates.on_train_batch_end):
    end(self, trainer, module, outputs, batch, step)
    print(trainer.current_epoch, step, flush=True)
    time.sleep(100_000 if (trainer.current_epoch, step) == (1, 1) else 0)  # until it is killed
Rates.on_train_batch_end = report
fit(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_run_killed_in_mid_epoch_resumes_to_the_same_weights(toy, unbroken, tmp_path):
    _, reference, record = unbroken
    folder = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(toy), str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    )
    for line in child.stdout:
        if line.strip() == "1 1":  # two of the four steps of the second epoch are done
            child.send_signal(signal.SIGKILL)
            break
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    assert torch.load(folder / "last.ckpt", weights_only=False)["global_step"] == 4

    steps = []

    class Count(Rates):
        def on_train_batch_end(self, trainer, module, outputs, batch, step):
            super().on_train_batch_end(trainer, module, outputs, batch, step)
            steps.append((trainer.current_epoch, step))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Rates", Count)
        net, resumed = fit(toy, folder)
    assert steps == [(epoch, step) for epoch in (1, 2) for step in range(4)], "the first epoch is not run again"
    assert same_weights(net, reference)
    assert resumed["epochs"] == record["epochs"] and resumed["seconds"] > 0
    lines = list(csv.DictReader((folder / "logs" / "metrics.csv").open()))
    assert [line["epoch"] for line in lines] == ["0", "1", "2"], "the lines from before the kill are kept"


def interrupt(toy, folder, epoch, error, **options):
    """Raise an error at the start of an epoch; return the one that the caller of `train` sees."""

    def stop(self, trainer, module, start=Rates.on_train_epoch_start):
        if trainer.current_epoch == epoch:
            raise error
        start(self, trainer, module)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(type(error)) as seen:
        patch.setattr(Rates, "on_train_epoch_start", stop)
        fit(toy, folder, **options)
    return seen.value


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_run_equals_the_unbroken_one_with_any_number_of_workers(toy, unbroken, tmp_path, workers):
    _, reference, record = unbroken
    interrupt(toy, tmp_path, 1, RuntimeError("the power is cut"), workers=2 - workers)
    net, resumed = fit(toy, tmp_path, workers=workers)
    assert resumed["epochs"] == record["epochs"] and same_weights(net, reference)


def test_finished_run_is_not_trained_again(toy, unbroken, monkeypatch):
    folder, reference, record = unbroken
    monkeypatch.setattr(VideoClassifier, "training_step", lambda *_: pytest.fail("trained again"))
    net, again = fit(toy, folder)
    assert again == record
    assert same_weights(net, reference)


@dataclass(frozen=True)
class Explodes(Recipe):
    """A recipe that diverges in the second epoch."""

    def lr_factor(self, epoch):
        return 1e30 if epoch else 1.0


def test_non_finite_loss_stops_the_run_and_keeps_the_last_checkpoint(toy, tmp_path):
    bad = Explodes(**{**vars(RECIPE), "clip_norm": 1e30})
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf|-inf) in epoch 1, step \d: lower the learning rate"):
        fit(toy, tmp_path, bad)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert kept["epoch"] == 0 and all(v.isfinite().all() for v in kept["state_dict"].values())
    good = fit(toy, tmp_path / "good", replace(RECIPE, epochs=1, clip_norm=1e30))[0].state_dict()
    assert all(torch.equal(kept["state_dict"][f"network.{k}"], v) for k, v in good.items())


def test_non_finite_weights_at_the_end_of_an_epoch_are_not_saved(toy, tmp_path, monkeypatch):
    def ruin(self, trainer, module, outputs, batch, step, end=Rates.on_train_batch_end):
        end(self, trainer, module, outputs, batch, step)
        if (trainer.current_epoch, step) == (1, 3):  # after the last loss of this epoch
            module.network.conv1.weight.data[0] = float("inf")

    monkeypatch.setattr(Rates, "on_train_batch_end", ruin)
    with pytest.raises(TrainingError, match="weights are not finite after epoch 1: lower the learning rate"):
        fit(toy, tmp_path)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert kept["epoch"] == 0 and all(v.isfinite().all() for v in kept["state_dict"].values())


def test_full_disk_stops_the_run_and_keeps_the_last_checkpoint(toy, tmp_path):
    fit(toy, tmp_path, replace(RECIPE, epochs=1))
    before = (tmp_path / "last.ckpt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    message = r"last\.ckpt: could not be written .*; make room; the previous checkpoint is intact"
    try:
        with pytest.raises(TrainingError, match=message):
            fit(toy, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "last.ckpt").read_bytes() == before
    assert not list(tmp_path.glob(".part-*")), "no partial file fills the disk"
    fit(toy, tmp_path)
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["epoch"] == 2


def test_logs_that_cannot_be_written_are_one_clear_error(toy, tmp_path):
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match=re.escape(str(tmp_path / "run"))):
        fit(toy, tmp_path / "run")


def test_checkpoint_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    io, path = loop.AtomicCheckpointIO(), tmp_path / "deep" / "last.ckpt"
    io.save_checkpoint({"epoch": 1}, path)

    def fail(checkpoint, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(TrainingError, match="No space left on device"):
        io.save_checkpoint({"epoch": 2}, path)
    assert torch.load(path) == {"epoch": 1} and [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_ctrl_c_says_how_to_resume_and_restores_its_handler(toy, tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    seen = interrupt(toy, tmp_path, 1, KeyboardInterrupt())
    assert str(seen) == "interrupted in epoch 1; the same command resumes"
    assert signal.getsignal(signal.SIGINT) is handler
    assert (tmp_path / "last.ckpt").exists()


@pytest.fixture
def own(toy, tmp_path):
    """A copy of the toy set that a test may damage."""
    return Path(shutil.copytree(toy, tmp_path / "own"))


def test_broken_video_is_counted_reported_and_left_out(own, tmp_path, capsys):
    (own / "train03.avi").write_bytes(b"no video")
    _, record = fit(own, tmp_path / "run", replace(RECIPE, epochs=2, max_skipped=0.1))
    assert [e["skipped"] for e in record["epochs"]] == [1, 1]
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"ctnet: note: 1 of 16 clips of {own / 'train.csv'} could not be read and were left out")
    assert f"the first: {own / 'train03.avi'}: " in stderr and stderr.count("\n") == 1


def test_too_many_broken_videos_stop_the_run(own, tmp_path):
    (own / "train03.avi").unlink()
    (own / "train04.avi").write_bytes((own / "train04.avi").read_bytes()[:300])
    with pytest.raises(TrainingError, match=r"2 of 16 videos could not be read; `python -m ctnet data verify`"):
        fit(own, tmp_path / "run", replace(RECIPE, epochs=2, max_skipped=0.1))
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_batch_without_a_readable_video_stops_the_run(own, tmp_path):
    for video in own.glob("*.avi"):
        video.unlink()
    with pytest.raises(TrainingError, match="4 of 4 videos could not be read"):
        fit(own, tmp_path / "run")


def test_empty_set_and_label_out_of_range_are_errors(own, tmp_path):
    rows = (own / "train.csv").read_text().splitlines()
    (own / "train.csv").write_text("\n".join([*rows[:5], rows[5].replace(",0,0,6", ",2,0,6")]))
    with pytest.raises(DataError, match=r"train\.csv: line 6: label 2 is out of range: .*classes 0 to 1"):
        training_set(own)
    (own / "train.csv").write_text(rows[0])
    with pytest.raises(DataError, match=r"train\.csv: no clips in it"):
        training_set(own)


def test_bfloat16_recipe_keeps_weights_in_float32(toy, tmp_path):
    dtypes = set()
    net = network()
    net.layer1[1].conv1.register_forward_hook(lambda layer, x, y: dtypes.add(y.dtype))
    _, half = fit(toy, tmp_path, replace(RECIPE, epochs=1, precision="bf16-mixed"), net)
    assert dtypes == {torch.bfloat16} and {p.dtype for p in net.parameters()} == {torch.float32}
    assert 0 < half["epochs"][0]["loss"] < 10


def plain_network():
    """A network that is compiled in seconds: one stage of one block, without a CT-Module."""
    sizes = {"num_classes": 2, "num_frames": 4, "width": 4, "depths": (1,), "ct_blocks": ((),), "dropout": 0.0}
    return ctnet.create_model("tsn_resnet50", **sizes)


@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler")
def test_compiled_training_resumes_exactly_and_learns_what_eager_training_learns(toy, tmp_path, monkeypatch):
    """Twelve clips in steps of eight: the last step of an epoch is smaller, and is not compiled."""
    recipe = replace(RECIPE, epochs=3, batch_size=12, scales=(1.0,), compiled=True)
    torch.manual_seed(7)
    whole, record = fit(toy, tmp_path / "whole", recipe, plain_network())
    torch.manual_seed(7)
    eager, plain = fit(toy, tmp_path / "eager", replace(recipe, compiled=None), plain_network())
    for a, b in zip(record["epochs"], plain["epochs"], strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)

    def stop(self, trainer, module, start=Rates.on_train_epoch_start):
        if trainer.current_epoch == 2:
            raise TrainingError("stopped here")
        start(self, trainer, module)

    with monkeypatch.context() as patched, pytest.raises(TrainingError, match="stopped here"):
        patched.setattr(Rates, "on_train_epoch_start", stop)
        torch.manual_seed(7)
        fit(toy, tmp_path / "broken", recipe, plain_network())
    torch.manual_seed(7)
    resumed, _ = fit(toy, tmp_path / "broken", recipe, plain_network())
    assert same_weights(whole, resumed)


def test_missing_compiler_is_named(toy, tmp_path, monkeypatch):
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    with (
        config.patch({"cpp.cxx": ("/no/such/compiler",)}),
        pytest.raises(TrainingError, match=r"cannot be compiled .*install a C\+\+ compiler"),
    ):
        fit(toy, tmp_path / "run", replace(RECIPE, compiled=True), plain_network())


def test_validation_is_kept_with_each_epoch_and_changes_no_weight(toy, unbroken, tmp_path):
    write_set(tmp_path / "other", clips=6, seed=1, split="test")
    split = evaluate.test_split(tmp_path / "other", Protocol(4, size=32))
    protocol = Protocol(4, size=32)
    net, record = fit(toy, tmp_path / "run", validation=lambda n: scores.learnt(evaluate.score(n, split, protocol)))
    found = [e["validation"] for e in record["epochs"]]
    assert len(found) == 3 and all(set(f) == {"red", "green"} for f in found)
    assert same_weights(net, unbroken[1])
    last = scores.learnt(evaluate.score(net, split, protocol))
    assert found[-1] == last


def test_each_epoch_draws_other_clips_in_another_order(toy, tmp_path):
    seen = []

    class Watch(VideoDataset):
        def __getitem__(self, index):
            item = super().__getitem__(index)
            seen.append((self.epoch, index, item[0].float().mean().item()))
            return item

    data = Watch(toy, "train", 4, 32, True, scales=RECIPE.scales)
    train(network(), data, replace(RECIPE, epochs=2), tmp_path, accelerator="cpu", progress=False)
    first, second = ([i for e, i, _ in seen if e == epoch] for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(16)) and first != second
    assert {(i, mean) for e, i, mean in seen if e == 0} != {(i, mean) for e, i, mean in seen if e == 1}


def test_dropout_seeds_of_all_steps_and_ranks_differ():
    epochs, steps = torch.arange(110)[:, None], torch.arange(0, 4000)
    seeds = torch.cat([dropout_seed(0, epochs, steps, rank).flatten() for rank in range(8)])
    assert len((seeds % 2**32).unique()) == len(seeds), "in the 32 bits that a CPU takes"
    assert dropout_seed(3, 2, 1, 0) == (3 * 100_003 + 2) * 1_000_003 + 1, "as in the recorded runs"
