"""Linear probes: accuracies of linear classifiers on the pixels of a data set."""

import torch

from ctnet.experiments import probes, provenance
from ctnet.experiments.scales import SCALES


def test_ridge_equals_the_closed_form_solution():
    generator = torch.Generator().manual_seed(0)
    train, labels = torch.randn(40, 6, generator=generator).double(), torch.arange(40) % 3
    test = torch.randn(25, 6, generator=generator).double()
    x = (train - train.mean(0)) / (train.std(0) + 1e-6)
    z = (test - train.mean(0)) / (train.std(0) + 1e-6)
    y = torch.eye(3, dtype=torch.float64)[labels]
    weights = torch.linalg.solve(x.T @ x + 6 * 0.1 * torch.eye(6, dtype=torch.float64), x.T @ (y - y.mean(0)))
    assert torch.equal(probes.ridge(train, labels, test, 0.1), (z @ weights).argmax(1))


def test_only_the_probe_on_ordered_frames_tells_twins_apart():
    generator = torch.Generator().manual_seed(0)
    clips = torch.rand(60, 1, 4, 3, 3, generator=generator)
    clips[:, :, 0] += 3  # a flash in the first frame, so in the last frame of the twins
    both = torch.stack([clips, clips.flip(2)], 1).flatten(0, 1)  # each clip is followed by its twin
    labels = torch.arange(120) % 2
    right = {}
    for name, extract in probes.FEATURES.items():
        found = probes.ridge(extract(both[:80]), labels[:80], extract(both[80:]), 0.1)
        right[name] = (found == labels[80:]).double().mean().item()
    assert right["frames in order"] == 1.0 and right["mean of the frames"] == 0.5


def test_recorded_accuracies_are_read_back(places):
    assert probes.recorded("motionpairs", "smoke").empty
    probes.record("motionpairs", "smoke")
    kept = probes.recorded("motionpairs", "smoke")
    assert kept["a linear classifier on"].tolist() == list(probes.FEATURES)
    assert kept["top-1"].between(0, 100).all() and (kept["clips"] == 176).all()
    assert (kept["protocol"] == str(SCALES["smoke"].protocol)).all()
    assert (kept["commit"] == provenance.provenance()["commit"]).all() and kept["run (UTC)"].notna().all()
