"""The measurement of Table 1: it finds what is connected, and finds false statements false."""

import pytest
import torch
from torch import nn

from ctnet.models import interaction
from ctnet.models.ct_module import FULL, POINT, SPATIAL, TEMPORAL, CTModule
from ctnet.models.interaction import Field
from ctnet.paper import claims


@pytest.mark.parametrize("sizes,kernels,field", [
    ((8,), ((POINT,),), Field(8, (1, 1, 1), 1)),
    ((1,), ((FULL,),), Field(1, (3, 3, 3), 27)),
    ((8,), ((SPATIAL,),), Field(8, (1, 3, 3), 9)),
    ((8,), ((SPATIAL, TEMPORAL),), Field(8, (3, 3, 3), 11)),  # a plane and a line: 9 + 2 positions
    ((8, 8), ((SPATIAL,), (TEMPORAL,)), Field(8, (3, 3, 3), 27)),
    ((4, 2), ((FULL,), (FULL,)), Field(8, (5, 5, 5), 125)),
])  # fmt: skip
def test_field_equals_field_by_hand(sizes, kernels, field):
    assert interaction.field_of(CTModule(8, sizes, kernels), 8) == field


def test_field_grows_with_each_sub_operation():
    found = [interaction.after(k, 24, (4, 3, 2)) for k in (1, 2, 3)]
    assert [(f.channels, f.extent) for f in found] == [(4, (3, 3, 3)), (12, (5, 5, 5)), (24, (7, 7, 7))]


def test_all_claims_of_table_1_are_measured_and_hold():
    found = interaction.measured()
    assert found == dict.fromkeys(found, True)
    assert set(found) == {claim.id for claim in claims.stated() if claim.kind == "mechanism" and claim.table == "1"}


@pytest.mark.parametrize("name", interaction.SPECIAL)
def test_special_cases_equal_plain_networks(name):
    state = torch.random.get_rng_state()
    assert interaction.special_case_gap(name) < 1e-12
    assert torch.equal(torch.random.get_rng_state(), state)


def test_measurement_rejects_wrong_special_case(monkeypatch):
    forward = CTModule.forward
    monkeypatch.setattr(CTModule, "forward", lambda self, x: forward(self, x) + 1e-9 * x)
    assert interaction.special_case_gap("CSN") > 1e-12
    monkeypatch.setattr(CTModule, "forward", lambda self, x: forward(self, x.roll(1, 1)))
    found = interaction.measured()
    assert not found["special-cases"] and found["all-channels"] and found["field-others"]


def test_measurement_rejects_field_that_does_not_grow(monkeypatch):
    monkeypatch.setattr(CTModule, "forward", lambda self, x: self.ops[0](x))
    found = interaction.measured()
    assert not found["field-k"] and not found["all-channels"] and found["field-one"]


def test_field_does_not_depend_on_weights():
    module = CTModule(8, (8,), ((FULL,),))
    nn.init.constant_(module.ops[0].branches[0].conv.weight, -1.0)  # each ReLU gives 0
    assert interaction.field_of(module, 8).positions == 27
