"""The discrete-time likelihood against the reference cases of its authors' program, and curves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_values import stored
from survbench.models.networks import discrete_time
from survbench.models.networks.discrete_time import (
    BREAKS_MONTHS,
    discrete_time_loss,
    risk_at_horizon,
    survival_curve,
    targets,
)


def test_targets_by_hand():
    time = torch.tensor([5.0, 12.0, 30.0, 30.1, 40.0, 130.0, 130.0], dtype=torch.float64)
    event = torch.tensor([True, True, False, False, True, True, False])
    survived, failed = targets(time, event)
    assert survived.tolist() == [
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
    ]
    assert [row.index(1) if 1 in row else None for row in failed.tolist()] == [0, 1, None, None, 3, None, None]


@pytest.mark.parametrize("number", [0, 1])
def test_loss_targets_and_risk_equal_the_reference_cases(number, monkeypatch):
    case = stored("nnet_survival.json")["cases"][number]
    monkeypatch.setattr(discrete_time, "BREAKS_MONTHS", tuple(map(float, case["breaks"])))
    time, event = torch.tensor(case["time"], dtype=torch.float64), torch.tensor(case["event"]).bool()
    conditional = torch.tensor(case["pred"], dtype=torch.float64)
    survived, failed = targets(time, event)
    assert torch.equal(torch.cat([survived, failed], dim=1), torch.tensor(case["y"], dtype=torch.float64))
    assert discrete_time_loss(conditional, time, event).item() == pytest.approx(case["loss_mean"], abs=1e-6)
    each = [discrete_time_loss(*(x[i : i + 1] for x in (conditional, time, event))).item() for i in range(len(time))]
    assert each == pytest.approx(case["loss_per_sample"], abs=1e-6)
    if tuple(case["breaks"]) == BREAKS_MONTHS:
        assert case["surv_at"] == BREAKS_MONTHS[discrete_time.HORIZON]
        assert (1 - risk_at_horizon(conditional)).tolist() == pytest.approx(case["surv_pred"], abs=1e-9)


def test_certainty_that_was_wrong_costs_much_but_not_infinitely():
    wrong = torch.zeros(1, 6, requires_grad=True)
    loss = discrete_time_loss(wrong, torch.tensor([130.0]), torch.tensor([False]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(wrong.grad).all()


def test_curves_pass_through_the_products_and_stay_level_after_the_last_break():
    conditional = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]])
    curve = survival_curve(conditional, np.array([0.0, *BREAKS_MONTHS[1:], 200.0]))
    assert curve[0] == pytest.approx([1.0, *np.cumprod(conditional[0]), np.prod(conditional[0])])
    middle = survival_curve(conditional, np.array([6.0]))
    assert middle[0, 0] == pytest.approx(np.sqrt(0.9))
    assert risk_at_horizon(torch.tensor(conditional)).item() == pytest.approx(1 - 0.9 * 0.8 * 0.7)
