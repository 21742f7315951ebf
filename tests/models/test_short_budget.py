"""The recipe for short budgets: one cycle of learning rates, risk sets of the whole fold, outputs started at zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from survbench.models.engine.fold_risks import FoldRisks
from survbench.models.engine.losses import cox_loss
from survbench.models.engine.recipe import Recipe
from survbench.models.engine.tensors import Inputs, Labelled
from survbench.models.networks.cnn_survival import CNNSurvival
from survbench.models.networks.deepmts.method import DeepMTS
from survbench.models.networks.dlpm import DLPM
from survbench.models.networks.mdsn import MDSN
from survbench.plan.profile import builtin_profiles
from survbench.training import ShortBudget, Training

ROWS = 12


def fold(seed=0):
    rng = np.random.default_rng(seed)
    nothing = Inputs(
        images=torch.zeros(ROWS, 0, 1, 1, 1), clinical=torch.zeros(ROWS, 0), mask=None, affines=np.zeros((ROWS, 4, 4))
    )
    time = torch.from_numpy(rng.integers(1, 8, ROWS).astype(np.float64))  # with ties
    return Labelled(inputs=nothing, time=time, event=torch.from_numpy(rng.random(ROWS) < 0.6))


def martingale_residuals(time, event, risk):
    """Events minus what Breslow's baseline expects, written from the textbook (Therneau and Grambsch, 2000)."""
    residual = event.astype(np.float64)
    for j in np.flatnonzero(event):
        at_risk = time >= time[j]
        residual -= at_risk * np.exp(risk) / np.exp(risk[at_risk]).sum()
    return residual


def remembering(patients, risk):
    folds = FoldRisks(patients, torch.device("cpu"))
    folds.risk = torch.from_numpy(risk.astype(np.float32))
    return folds


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    short = ShortBudget(peak_learning_rate=0.006, warm_up=0.1)
    training = Training(steps=300, batch_size=4, short_budget=short)
    rates = np.array([Recipe().learning_rate(done, training) for done in range(300)])
    assert rates[0] == pytest.approx(0.006 / 30)
    assert rates[29] == rates[30] == rates.max() == 0.006
    assert rates[165] == pytest.approx(0.003)  # half of the way down
    assert 0 < rates[-1] < 1e-6
    assert (np.diff(rates[:30]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
    tuned = [Recipe(learning_rate_factor=0.5).learning_rate(done, training) for done in range(300)]
    np.testing.assert_allclose(tuned, rates / 2)


@pytest.mark.parametrize("steps", [1, 2, 6])
def test_very_few_steps_have_rates_too(steps):
    training = Training(steps=steps, batch_size=4, short_budget=ShortBudget(peak_learning_rate=1.0))
    rates = [Recipe().learning_rate(done, training) for done in range(steps)]
    assert rates[0] == 1
    assert all(0 < rate <= 1 for rate in rates)


def test_published_rates_cannot_be_scaled_where_they_are_replaced():
    with pytest.raises(ValidationError, match="give one of the two"):
        Training(steps=6, batch_size=4, learning_rate_scale=100, short_budget=ShortBudget(peak_learning_rate=0.01))


def test_each_patient_of_a_batch_gets_its_martingale_residual_of_the_whole_fold():
    patients, rng = fold(), np.random.default_rng(1)
    risk = rng.normal(size=ROWS).astype(np.float32)
    expected = -martingale_residuals(patients.time.numpy(), patients.event.numpy(), risk) / int(patients.event.sum())
    for rows in np.split(rng.permutation(ROWS), 4):
        batch = torch.from_numpy(risk[rows]).requires_grad_()
        remembering(patients, risk).loss(batch, rows).backward()
        np.testing.assert_allclose(batch.grad * len(rows) / ROWS, expected[rows], atol=1e-6)


def test_a_batch_of_all_patients_has_the_cox_loss():
    patients = fold()
    risk = torch.randn(ROWS, generator=torch.Generator().manual_seed(0))
    loss = remembering(patients, np.zeros(ROWS)).loss(risk, np.arange(ROWS))
    assert loss.item() == pytest.approx(cox_loss(risk, patients.time, patients.event).item())


def test_risks_are_remembered_and_a_patient_drawn_twice_has_the_mean():
    folds = FoldRisks(fold(), torch.device("cpu"))
    risk = torch.tensor([1.0, 3.0, 5.0], requires_grad=True)
    folds.loss(risk, np.array([2, 2, 7]))
    expected = torch.zeros(ROWS)
    expected[2], expected[7] = 2.0, 5.0
    assert torch.equal(folds.risk, expected)
    assert not folds.risk.requires_grad
    folds.loss(torch.tensor([-1.0]), np.array([7]))
    expected[7] = -1.0
    assert torch.equal(folds.risk, expected)


@pytest.mark.parametrize("method", [DeepMTS(), DeepMTS(decoder=False, csn=False), MDSN(), DLPM(), CNNSurvival()])
def test_networks_start_with_the_same_risk_for_all(method):
    torch.manual_seed(0)
    network = method.build(2, 1)
    network.start_at_zero()
    network.eval()
    images = torch.randn(3, 2, 32, 32, 32)
    with torch.inference_mode():
        risk = network(images, torch.tensor([[0.0], [1.0], [0.0]])).risk
    assert torch.equal(risk, risk[:1].expand(3))


def test_a_network_without_risk_starts_as_it_is():
    torch.manual_seed(0)
    network = DeepMTS(csn=False, hard_sharing=False).build(2, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.start_at_zero()
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_the_published_profile_has_none_and_the_short_ones_one_for_all():
    short = {name: p.training.short_budget for name, p in builtin_profiles().items() if p.training.steps <= 1_000}
    assert short.keys() == {"smoke", "quick", "standard"}
    assert None not in short.values()
    assert builtin_profiles()["paper"].training.short_budget is None
