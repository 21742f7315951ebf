"""The recipe for short budgets: one cycle of learning rates, risk sets of the whole fold, outputs started at zero."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from survbench.api import Context, Seeds
from survbench.models.engine.fold_risks import FoldRisks
from survbench.models.engine.losses import Objective, cox_loss, cox_term
from survbench.models.engine.recipe import Recipe
from survbench.models.engine.sampler import balanced_rows
from survbench.models.engine.tensors import Inputs, Labelled, Output
from survbench.models.engine.trainer import Trainer
from survbench.models.networks.cnn_survival import CNNSurvival
from survbench.models.networks.deepmts.method import DeepMTS
from survbench.models.networks.discrete_time import INTERVALS, discrete_time_term
from survbench.models.networks.dlpm import DLPM
from survbench.models.networks.mdsn import MDSN
from survbench.plan.profile import builtin_profiles
from survbench.training import ShortBudget, Training
from toy_images import toy_cohort

ROWS = 12
COLUMNS = 3
STEPS = 3


def fold(seed=0):
    rng = np.random.default_rng(seed)
    nothing = Inputs(
        images=torch.zeros(ROWS, 0, 1, 1, 1),
        clinical=torch.from_numpy(rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)),
        mask=None,
        affines=np.zeros((ROWS, 4, 4)),
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
    folds = FoldRisks(patients, cox_term, torch.device("cpu"))
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


def test_risks_are_remembered_only_from_a_start_at_zero():
    with pytest.raises(ValidationError, match="give zero_start: true, or risk_set: batch"):
        ShortBudget(peak_learning_rate=0.01, risk_set="fold")
    assert ShortBudget(peak_learning_rate=0.01, risk_set="fold", zero_start=True).risk_set == "fold"


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
    folds = FoldRisks(fold(), cox_term, torch.device("cpu"))
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
    assert short["smoke"] is not None
    assert all(block == short["smoke"] for block in short.values())
    assert builtin_profiles()["paper"].training.short_budget is None


class Line(torch.nn.Module):
    """Risks that are weighted sums of the clinical columns, and hazards of intervals that are, too."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.weight = torch.nn.Parameter(torch.randn(COLUMNS))
        self.hazards = torch.nn.Linear(COLUMNS, INTERVALS)

    def forward(self, images, clinical):
        return Output(risk=clinical @ self.weight, conditional=self.hazards(clinical).sigmoid())


def trained(tmp_path, short, *, survival=cox_term, over_fold=True, micro_batches=1):
    """Return the network, a line with a penalty on its weights, after a few steps."""
    network, name = Line(), f"scratch-{len(list(tmp_path.iterdir()))}"
    (tmp_path / name).mkdir()
    training = Training(steps=STEPS, batch_size=4, short_budget=short, evaluations=0, micro_batches=micro_batches)
    ctx = Context(seeds=Seeds(0, 0, "line"), training=training, scratch=tmp_path / name)
    penalty = partial(lambda weight: 0.1 * weight.square().sum(), network.weight)
    objective = Objective(survival=survival, over_fold=over_fold, penalty=penalty)
    Trainer(network, fold(), objective=objective, recipe=Recipe(), ctx=ctx).run()
    return network


def by_hand(rates, *, weight=1.0, beta2=0.999, over_fold=False):
    """Take the same steps by the textbook: Cox's score, and Adam (Kingma and Ba, 2015, algorithm 1)."""
    patients, w = fold(), Line().weight.detach().double().numpy()
    x, time, event = patients.inputs.clinical.double().numpy(), patients.time.numpy(), patients.event.numpy()
    remembered, first, second = np.zeros(ROWS), np.zeros(COLUMNS), np.zeros(COLUMNS)
    for step, rate in enumerate(rates):
        rows = balanced_rows(event, 4, np.random.default_rng([Seeds(0, 0, "line").of("sampler"), step]))
        if over_fold:
            remembered[rows] = x[rows] @ w
            seen = np.unique(rows)
            score = martingale_residuals(time, event, remembered)[seen] @ x[seen] / event.sum() * ROWS / len(rows)
        else:
            score = martingale_residuals(time[rows], event[rows], x[rows] @ w) @ x[rows] / event[rows].sum()
        gradient = -weight * score + 0.2 * w
        first, second = 0.9 * first + 0.1 * gradient, beta2 * second + (1 - beta2) * gradient**2
        unbiased = first / (1 - 0.9 ** (step + 1)), second / (1 - beta2 ** (step + 1))
        w = w - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-7)
    return w


PEAK = 0.05
CYCLE = [PEAK, PEAK, PEAK / 2]
"""A cycle of three steps: it rises in one, and half a cosine takes two."""
SETTINGS = {
    "cycle": ({}, {}),
    "survival_weight": ({"survival_weight": 0.3}, {"weight": 0.3}),
    "adam_beta2": ({"adam_beta2": 0.9}, {"beta2": 0.9}),
    "risk_set": ({"risk_set": "fold", "zero_start": True}, {"over_fold": True}),
    "all": (
        {"survival_weight": 0.3, "adam_beta2": 0.9, "risk_set": "fold", "zero_start": True},
        {"weight": 0.3, "beta2": 0.9, "over_fold": True},
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_takes_the_steps_that_are_written_out_here(tmp_path, name):
    settings, own = SETTINGS[name]
    found = trained(tmp_path, ShortBudget(peak_learning_rate=PEAK, **settings)).weight.detach().numpy()
    np.testing.assert_allclose(found, by_hand(CYCLE, **own), atol=2e-5)
    if own:
        assert np.abs(found - by_hand(CYCLE)).max() > 2e-4


def test_without_the_recipe_the_steps_are_the_published_ones(tmp_path):
    # of the 15,000 steps of which each of the three stands for 5,000, the first of each has these rates
    found = trained(tmp_path, None).weight.detach().numpy()
    np.testing.assert_allclose(found, by_hand([1e-4, 1e-5, 1e-6]), atol=1e-6)
    start = Line().weight.detach().numpy()
    assert np.abs(found - start).max() == pytest.approx(1.1e-4, rel=0.05)


@pytest.mark.parametrize("of_whom", ["batch", "fold"])
def test_parts_of_a_batch_take_the_steps_of_the_whole(tmp_path, of_whom):
    short = ShortBudget(peak_learning_rate=PEAK, risk_set=of_whom, zero_start=True)
    whole, parts = (trained(tmp_path, short, micro_batches=count).weight for count in (1, 2))
    assert torch.allclose(whole, parts, atol=1e-5)


def test_the_loss_of_an_objective_is_taken_over_the_fold_if_the_objective_says_so(tmp_path):
    """However the loss is spelled: methods outside the suite write their own."""
    short = ShortBudget(peak_learning_rate=PEAK, risk_set="fold", zero_start=True)

    def own(output, time, event):
        return 2 * cox_loss(output.risk, time, event)

    found = trained(tmp_path, short, survival=own).weight.detach().numpy()
    np.testing.assert_allclose(found, by_hand(CYCLE, weight=2.0, over_fold=True), atol=2e-5)
    found = trained(tmp_path, short, survival=own, over_fold=False).weight.detach().numpy()
    np.testing.assert_allclose(found, by_hand(CYCLE, weight=2.0), atol=2e-5)


def test_losses_of_intervals_are_those_of_the_batch_under_either_risk_set(tmp_path):
    batch, whole = (
        trained(
            tmp_path,
            ShortBudget(peak_learning_rate=PEAK, risk_set=of_whom, zero_start=True),
            survival=discrete_time_term,
            over_fold=False,
        ).hazards.weight
        for of_whom in ("batch", "fold")
    )
    assert torch.equal(batch, whole)
    assert not torch.equal(batch, Line().hazards.weight)


@pytest.mark.parametrize("method", [MDSN, CNNSurvival])
def test_a_fit_starts_the_last_survival_layer_at_zero_and_nothing_else(tmp_path, method):
    states = {}
    for zero_start in (False, True):
        scratch = tmp_path / str(zero_start)
        scratch.mkdir()
        short = ShortBudget(peak_learning_rate=1e-12, zero_start=zero_start)
        training = Training(steps=1, batch_size=4, short_budget=short, evaluations=0)
        ctx = Context(seeds=Seeds(0, 0, "start"), training=training, scratch=scratch)
        fitted = method().fit(toy_cohort(6), validation=None, ctx=ctx)
        states[zero_start] = {name: p.detach().clone() for name, p in fitted._fitted.network.named_parameters()}
    last = fitted._fitted.network.survival_output().weight
    differing = {name for name, p in states[True].items() if not torch.allclose(p, states[False][name], atol=1e-9)}
    assert differing == {name for name, p in fitted._fitted.network.named_parameters() if p is last}
    assert last.abs().max() < 1e-9


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"steps": 15_000}, "15,000 steps, as published"),
        ({"steps": 300}, "300 steps instead of the published 15,000, at the published learning rates"),
        ({"steps": 15_000, "learning_rate_scale": 2}, "15,000 steps, at 2 times the published learning rates"),
        (
            {"steps": 300, "short_budget": {"peak_learning_rate": 0.006}},
            "300 steps instead of the published 15,000, in one cycle of learning rates up to 0.006",
        ),
    ],
)
def test_how_far_a_training_is_from_the_published_one_is_said_once(settings, expected):
    assert Training.model_validate({"batch_size": 8, **settings}).words == expected
