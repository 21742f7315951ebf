"""Losses against R, finite differences and definitions."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from survbench.models.engine.losses import cox_loss, dice_loss, l2_penalty


def columns(folder, name):
    with (folder / f"data_{name}.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {key: torch.tensor([float(row[key]) for row in rows], dtype=torch.float64) for key in rows[0]}


@pytest.mark.parametrize("name", ["veteran", "ovarian"])
def test_cox_loss_equals_r_with_breslow_ties(name, shared_data):
    folder = shared_data / "metrics_reference"
    reference = json.loads((folder / "r_reference.json").read_text(encoding="utf-8"))[name]
    data = columns(folder, name)
    risk = sum(beta * data[key] for key, beta in reference["fixed_beta"].items())
    loss = cox_loss(risk, data["time"], data["event"].bool())
    assert loss.item() == pytest.approx(reference["cox_breslow"]["neg_mean_over_events_at_fixed_beta"], abs=1e-9)
    assert loss.item() * reference["events"] == pytest.approx(
        -reference["cox_breslow"]["loglik_at_fixed_beta"], abs=1e-9
    )
    null = cox_loss(torch.zeros_like(risk), data["time"], data["event"].bool())
    assert null.item() * reference["events"] == pytest.approx(-reference["cox_breslow"]["loglik_null"], abs=1e-9)


def test_cox_gradient_vanishes_at_the_maximum_that_r_finds(shared_data):
    folder = shared_data / "metrics_reference"
    reference = json.loads((folder / "r_reference.json").read_text(encoding="utf-8"))["veteran"]
    data = columns(folder, "veteran")
    features = torch.stack([data[key] for key in reference["cox_breslow"]["coef"]], dim=1)
    beta = torch.tensor(list(reference["cox_breslow"]["coef"].values()), dtype=torch.float64, requires_grad=True)
    loss = cox_loss(features @ beta, data["time"], data["event"].bool()) * reference["events"]
    loss.backward()
    assert loss.item() == pytest.approx(-reference["cox_breslow"]["loglik_fit"], abs=1e-9)
    assert torch.allclose(beta.grad, torch.zeros_like(beta), atol=2e-5)


def test_cox_loss_equals_the_second_reference_with_ties(shared_data):
    path = shared_data / "metrics_reference" / "benchmark_cox_with_ties.json"
    for case in json.loads(path.read_text(encoding="utf-8")):
        time, event, risk = (torch.tensor(case[key]).flatten() for key in ("time", "status", "log_hazard_breslow"))
        loss = cox_loss(risk.double(), time.double(), event.bool())
        # risks and result of the reference are rounded to four decimals
        assert loss.item() * int(event.sum()) == pytest.approx(-np.ravel(case["log_likelihood_breslow"])[0], abs=2e-3)


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
