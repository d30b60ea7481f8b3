"""The benchmark's arithmetic, and what it claims about copies; nothing here is timed."""

import json
import subprocess
import sys

import pytest
import torch
from torch._dynamo.utils import counters

import ctnet
from benchmarks import bench, reading
from benchmarks.plain import load_plain
from benchmarks.timing import interleave, summary, threads
from ctnet import paths
from ctnet.errors import ConfigError


def test_rivals_take_turns_each_after_an_untimed_call():
    order = []
    seconds = interleave({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3)
    assert order == ["a", "a", "b", "b"] * 3
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 3, "b": 3}


def test_ratios_are_of_medians_and_their_spread_is_over_rounds():
    rows = summary({"plain": [4.0, 8.0, 4.0, 4.0], "fast": [2.0, 2.0, 2.0, 2.0]}, base="plain", clips=3)
    assert rows["fast"]["times"] == 2 and rows["fast"]["clips_per_s"] == 1.5
    assert rows["fast"]["times_low"] == 2 and rows["fast"]["times_high"] > 2
    assert rows["plain"]["times"] == rows["plain"]["times_low"] == 1


def test_a_section_leaves_the_threads_to_the_next_as_they_were():
    before = torch.get_num_threads()
    with pytest.raises(ValueError), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ValueError
    assert torch.get_num_threads() == before


@pytest.fixture(scope="module")
def network():
    return ctnet.create_model("ctnet_resnet50", depths=(2, 1, 1, 2), ct_blocks=((1,), (), (), (1,))).eval()


def test_no_copy_is_left_in_the_fused_network(network):  # 16 frames: below, torch on one thread avoids oneDNN
    swaps = bench.count_copies(network, size=64)
    assert any("(2, 8, 8, 8, 16, 16)" in name for name in swaps), "the profiler sees a copy where there is one"
    assert bench.count_copies(network.fuse(), size=64) == {}


def test_the_plain_network_stands_for_the_same_function():
    net = ctnet.create_model("tsn_resnet50", num_classes=5).eval()
    clips = torch.randn(1, 3, 2, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(load_plain(net)(clips), net(clips), rtol=1e-4, atol=1e-6)


def test_a_run_prints_a_table_and_writes_the_record(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "create_model", lambda name, **kw: ctnet.create_model(name, num_classes=3))
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
    said = capsys.readouterr().out
    assert "dense convolution" in said and "tsn fused fp32" in said and record["provenance"]["versions"]["torch"]


def test_every_compiled_network_stays_the_one_that_was_frozen(tmp_path, monkeypatch):
    """A second network must not throw the first one's code away: it would be compiled again, and not frozen."""
    small = {"num_classes": 3, "width": 16, "depths": (1, 1, 1, 2), "ct_blocks": ((), (), (), (1,))}
    monkeypatch.setattr(bench, "create_model", lambda name, **kw: ctnet.create_model("ct_resnet50", **small))
    compiled = counters["stats"]["unique_graphs"]
    args = "--only inference --nets tsn_resnet50 tsm_resnet50 --treatments compiled --dtypes fp32 --rounds 2 --size 32"
    assert bench.main([*args.split(), "--frames", "2", "--out", str(tmp_path / "bench.json")]) == 0
    assert counters["stats"]["unique_graphs"] == compiled + 3  # once each, and the dense convolution


FAULTS = """
import resource, torch
from benchmarks import bench
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(4_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
fresh = faults()
bench.keep_freed_memory()
faults()
print(fresh, min(faults() for _ in range(5)))
"""


@pytest.mark.skipif("kept" not in bench.SECTIONS, reason="another C library than glibc")
def test_freed_memory_is_kept_where_that_is_measured():
    found = subprocess.run([sys.executable, "-c", FAULTS], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    fresh, kept = map(int, found.stdout.split())
    assert kept * 10 < fresh


def test_the_loader_is_measured_on_the_frames_that_its_rivals_read(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LENGTH", 20)
    calls = reading.rivals(tmp_path, frames=4, size=64, clips=2)
    read = torch.stack(calls["read_frames"]())
    assert read.shape == (2, 4, 240, 320, 3) and calls["loader"]().shape == (2, 3, 4, 64, 64)
    if "decord" in calls:
        assert torch.equal(torch.stack([torch.from_numpy(clip) for clip in calls["decord"]()]), read)


def test_reading_and_the_network_stand_side_by_side(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "LENGTH", 20)
    monkeypatch.setattr(bench, "create_model", lambda name, **kw: ctnet.create_model("tsn_resnet50", num_classes=3))
    out = tmp_path / "bench.json"
    args = ["--only", "loader", "--rounds", "2", "--size", "32", "--frames", "1", "--out", str(out)]
    assert bench.main(args) == 0
    found = json.loads(out.read_text())["loader"]
    assert {"read_frames", "loader"} <= set(found["rows"]) and isinstance(found["overhead"], float)
    assert found["cores"] == found["network"] / found["rows"]["loader"]["clips_per_s"]
    assert "cropping and collating add" in capsys.readouterr().out


def test_what_is_kept_is_a_whole_run():
    with pytest.raises(ConfigError, match="--record keeps a whole run"):
        bench.main(["--record", "--only", "copies"])


def test_rounds_must_be_positive():
    with pytest.raises(ConfigError, match="rounds.*0"):
        bench.main(["--rounds", "0"])


def test_the_command_line_passes_options_on(capsys):
    from ctnet.cli.main import main

    assert main(["bench", "--only", "copies", "--rounds", "0"]) == 2
    assert "--rounds" in capsys.readouterr().err
