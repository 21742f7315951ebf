"""Losses against R, finite differences and definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_values import DATA_SETS, from_r
from survbench.models.engine.losses import cox_loss, dice_loss, l2_penalty


def of_r(name):
    """Return R's values of a data set, and its columns, times and events."""
    values, data, _ = from_r(name)
    return values, *map(torch.tensor, (data.x, data.time, data.event))


@pytest.mark.parametrize("name", DATA_SETS)
def test_cox_loss_equals_r_with_breslow_ties(name):
    values, x, time, event = of_r(name)
    expected = values["cox_breslow"]
    loss = cox_loss(x @ torch.tensor(values["fixed_beta"], dtype=x.dtype), time, event)
    assert loss.item() * values["events"] == pytest.approx(-expected["loglik_at_fixed_beta"], abs=1e-9)
    null = cox_loss(torch.zeros_like(time), time, event)
    assert null.item() * values["events"] == pytest.approx(-expected["loglik_null"], abs=1e-9)


@pytest.mark.parametrize("name", DATA_SETS)
def test_cox_gradient_vanishes_at_the_maximum_that_r_finds(name):
    values, x, time, event = of_r(name)
    beta = torch.tensor(values["cox_breslow"]["coef"], dtype=x.dtype, requires_grad=True)
    loss = cox_loss(x @ beta, time, event) * values["events"]
    loss.backward()
    assert loss.item() == pytest.approx(-values["cox_breslow"]["loglik_fit"], abs=1e-9)
    # per standard deviation of the column
    assert torch.allclose(beta.grad / x.std(dim=0), torch.zeros_like(beta), atol=2e-5)


@pytest.mark.parametrize("scale", [1e4, -1e4, 0.0])
def test_cox_loss_and_gradient_are_finite_for_extreme_risks(scale):
    risk = (torch.linspace(-1, 1, 8) * scale + scale).requires_grad_()
    time = torch.tensor([1.0, 1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0])
    for event in (torch.arange(8) % 2 == 0, torch.ones(8, dtype=torch.bool)):
        loss = cox_loss(risk, time, event)
        (gradient,) = torch.autograd.grad(loss, risk)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_cox_gradient_is_that_of_finite_differences():
    risk = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    time = torch.tensor([3.0, 1.0, 1.0, 2.0, 3.0, 5.0, 5.0])
    event = torch.tensor([True, True, False, True, True, False, True])
    assert torch.autograd.gradcheck(lambda h: cox_loss(h, time, event), (risk,))


def test_cox_loss_without_events_is_zero_with_zero_gradient():
    risk = torch.tensor([1.0, -3.0, 1e4], requires_grad=True)
    loss = cox_loss(risk, torch.tensor([1.0, 2.0, 3.0]), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert risk.grad.tolist() == [0, 0, 0]


def test_a_patient_drawn_twice_is_in_its_own_risk_set_both_times():
    once = cox_loss(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 2.0]), torch.tensor([True, False]))
    twice = cox_loss(torch.tensor([2.0, 2.0, 0.0]), torch.tensor([1.0, 1.0, 2.0]), torch.tensor([True, True, False]))
    assert once.item() == pytest.approx(np.log(1 + np.exp(-2)))
    assert twice.item() == pytest.approx(np.log(2 + np.exp(-2)))


def test_cox_loss_ignores_the_order_of_patients():
    rng = np.random.default_rng(1)
    risk, time, event = torch.randn(20), torch.from_numpy(rng.integers(1, 6, 20)), torch.arange(20) % 3 == 0
    order = torch.from_numpy(rng.permutation(20))
    assert cox_loss(risk[order], time[order], event[order]).item() == pytest.approx(cox_loss(risk, time, event).item())


def test_dice_is_taken_per_patient_with_the_papers_squares():
    probability = torch.tensor([[0.5, 0.5, 0.0, 1.0], [0.2, 0.0, 0.0, 0.0]]).reshape(2, 1, 1, 2, 2)
    mask = torch.tensor([[1, 0, 0, 1], [1, 1, 0, 0]]).reshape(2, 1, 1, 2, 2).bool()
    squared = -(2 * 1.5 / (1.5 + 2) + 2 * 0.2 / (0.04 + 2)) / 2
    linear = -(2 * 1.5 / (2.0 + 2) + 2 * 0.2 / (0.2 + 2)) / 2
    assert dice_loss(probability, mask).item() == pytest.approx(squared)
    assert dice_loss(probability, mask, denominator="linear").item() == pytest.approx(linear)


def test_dice_of_a_perfect_and_of_an_empty_prediction():
    mask = torch.zeros(1, 1, 4, 4, 4)
    assert dice_loss(mask, mask).item() == 0
    mask[..., :2] = 1
    assert dice_loss(mask, mask).item() == pytest.approx(-1)
    assert dice_loss(1 - mask, mask).item() == 0


def test_l2_is_the_sum_of_squares_without_the_half():
    assert l2_penalty([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])]).item() == pytest.approx(1.4)
