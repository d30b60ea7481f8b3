"""The arithmetic of the bench, its options and its records; no test depends on how fast anything is."""

import json
import subprocess
import sys

import pytest
import torch
from torch._dynamo.utils import counters

import ctnet
from benchmarks import bench, copies, inference, reading
from benchmarks.plain import load_plain
from benchmarks.timing import interleave, summary, threads
from ctnet import paths
from ctnet.cli.main import main
from ctnet.errors import ConfigError, DataError


def test_calls_take_turns_each_after_an_untimed_call():
    order = []
    seconds = interleave({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3)
    assert order == ["a", "a", "b", "b"] * 3
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 3, "b": 3}


def test_summary_gives_ratios_of_medians_and_quartiles_over_rounds():
    rows = summary({"plain": [4.0, 8.0, 4.0, 4.0], "fast": [2.0, 2.0, 2.0, 2.0]}, base="plain", clips=3)
    assert rows["fast"]["times"] == 2 and rows["fast"]["clips_per_s"] == 1.5
    assert rows["fast"]["times_low"] == 2 and rows["fast"]["times_high"] > 2
    assert rows["plain"]["times"] == rows["plain"]["times_low"] == 1


def test_threads_restores_the_number_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ValueError), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ValueError
    assert torch.get_num_threads() == before


@pytest.fixture(scope="module")
def network():
    return ctnet.create_model("ctnet_resnet50", depths=(2, 1, 1, 2), ct_blocks=((1,), (), (), (1,))).eval()


def test_fused_network_makes_no_copies(network):  # 16 frames: with fewer, torch on one thread does not use oneDNN
    swaps = copies.count_copies(network, size=64)
    assert any("(2, 8, 8, 8, 16, 16)" in name for name in swaps), "the profiler must see the copies of the swaps"
    assert copies.count_copies(network.fuse(), size=64) == {}


def test_plain_network_computes_the_same_function():
    net = ctnet.create_model("tsn_resnet50", num_classes=5).eval()
    clips = torch.randn(1, 3, 2, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(load_plain(net)(clips), net(clips), rtol=1e-4, atol=1e-6)


def test_inference_prints_a_table_and_writes_the_record(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(inference, "create_model", lambda name, **kw: ctnet.create_model(name, num_classes=3))
    args = "--nets tsn_resnet50 --treatments eager fused --dtypes fp32 --rounds 2 --size 32 --frames 1".split()
    out = tmp_path / "bench.json"
    assert bench.main(["--only", "inference", "throughput", *args, "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert list(record["inference"]["rows"]) == ["tsn eager fp32", "tsn fused fp32"]
    network = ctnet.create_model("tsn_resnet50", num_classes=3)
    for section, clips in (("inference", 1), ("throughput", 4)):
        row = record[section]["rows"]["tsn fused fp32"]
        assert row["gmacs_per_s"] * row["seconds"] == pytest.approx(clips * ctnet.cost(network, 1, 32).gmacs)
    assert list(record["inference"]["dense"]) == ["fp32"]
    printed = capsys.readouterr().out
    assert "dense convolution" in printed and "tsn fused fp32" in printed
    assert record["provenance"]["versions"]["torch"]


def test_compiled_networks_are_not_compiled_again(tmp_path, monkeypatch):
    """A second network must not evict the code of the first, which would be compiled again and not frozen."""
    small = {"num_classes": 3, "width": 16, "depths": (1, 1, 1, 2), "ct_blocks": ((), (), (), (1,))}
    monkeypatch.setattr(inference, "create_model", lambda name, **kw: ctnet.create_model("ct_resnet50", **small))
    compiled = counters["stats"]["unique_graphs"]
    args = "--only inference --nets tsn_resnet50 tsm_resnet50 --treatments compiled --dtypes fp32 --rounds 2 --size 32"
    assert bench.main([*args.split(), "--frames", "2", "--out", str(tmp_path / "bench.json")]) == 0
    assert counters["stats"]["unique_graphs"] == compiled + 3  # each network once, and the dense convolution


FAULTS = """
import resource, torch
from benchmarks.inference import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(4_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
fresh = faults()
keep_freed_memory()
faults()
print(fresh, min(faults() for _ in range(5)))
"""


@pytest.mark.skipif("kept" not in bench.SECTIONS, reason="not glibc, or with a GPU")
def test_freed_memory_is_kept():
    found = subprocess.run([sys.executable, "-c", FAULTS], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    fresh, kept = map(int, found.stdout.split())
    assert kept * 10 < fresh, "page faults of the same work with and without kept memory"


def test_all_readers_read_the_same_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LENGTH", 20)
    calls = reading.readers_to_compare(tmp_path, frames=4, size=64, clips=2)
    read = torch.stack(calls["read_frames"]())
    assert read.shape == (2, 4, 240, 320, 3) and calls["loader"]().shape == (2, 3, 4, 64, 64)
    if "decord" in calls:
        assert torch.equal(torch.stack([torch.from_numpy(clip) for clip in calls["decord"]()]), read)


def test_loader_section_compares_reading_with_the_network(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "LENGTH", 20)
    monkeypatch.setattr(reading, "create_model", lambda name, **kw: ctnet.create_model("tsn_resnet50", num_classes=3))
    out = tmp_path / "bench.json"
    args = ["--only", "loader", "--rounds", "2", "--size", "32", "--frames", "1", "--out", str(out)]
    assert bench.main(args) == 0
    found = json.loads(out.read_text())["loader"]
    assert {"read_frames", "loader"} <= set(found["rows"]) and isinstance(found["overhead"], float)
    assert found["cores"] == found["network"] / found["rows"]["loader"]["clips_per_s"]
    assert "cropping and batching add" in capsys.readouterr().out


def test_cut_run_keeps_finished_sections(tmp_path, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "SECTIONS", {"inference": lambda _: {"rows": 1}, "copies": stop})
    with pytest.raises(KeyboardInterrupt):
        bench.main(["--only", "inference", "copies", "--out", str(tmp_path / "bench.json")])
    assert json.loads((tmp_path / "bench.json").read_text())["inference"] == {"rows": 1}


def test_missing_set_is_an_error_before_the_first_section(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setenv("CTNET_DATA", str(tmp_path / "sets"))
    monkeypatch.setattr(bench, "SECTIONS", {"inference": ran.append, "training": bench.training})
    with pytest.raises(DataError, match="data prepare motionpairs --scale cpu"):
        bench.main(["--out", str(tmp_path / "bench.json"), "--only", "inference", "training"])
    assert ran == [] and list(tmp_path.iterdir()) == []


def test_record_refuses_a_partial_run():
    with pytest.raises(ConfigError, match="--record keeps a whole run"):
        bench.main(["--record", "--only", "copies"])


@pytest.mark.parametrize(
    "words", [["--rounds", "0"], ["--rounds", "x"], ["--size", "5000"], ["--only", "all"], ["--no"]], ids=" ".join
)
def test_wrong_option_is_an_error_of_one_line(words):
    with pytest.raises(ConfigError) as error:
        bench.main(words)
    assert words[-1] in str(error.value) and "\n" not in str(error.value)


def test_command_line_passes_options_on(capsys):
    assert main(["bench", "--only", "copies", "--rounds", "0"]) == 2
    assert "--rounds" in capsys.readouterr().err


def test_bench_needs_a_checkout(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert main(["bench"]) == 2
    assert "bench: needs a checkout" in capsys.readouterr().err
