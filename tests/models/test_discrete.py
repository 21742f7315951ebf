"""Networks that predict the interval of the event: their likelihoods, edges and curves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from survbench.api import Context, Seeds
from survbench.cohort import Cohort, FeatureTable, Subject
from survbench.models.learners.discrete import (
    MTLR,
    DeepHit,
    NnetSurvival,
    interval_losses,
    interval_scores,
)
from survbench.models.learners.time_edges import time_edges
from survbench.models.networks.discrete_time import BREAKS_MONTHS, discrete_time_loss
from survbench.plan.profile import load_profile

KINDS = (MTLR, DeepHit, NnetSurvival)


@pytest.mark.parametrize(
    ("event", "expected"), [((True, True), 2.3039), ((False, False), 0.3575), ((True, False), 1.1019)]
)
def test_mtlrs_likelihood_has_the_values_of_torchmtlr(event, expected):
    """torchmtlr 7234e96, mtlr_neg_log_likelihood with C1 = 0: the targets 010 and 100, 011 and 111, 010 and 111."""
    scores = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=torch.float64)
    losses = interval_losses(scores, torch.tensor([1, 0]), torch.tensor(event))
    assert losses.sum().item() == pytest.approx(expected, abs=1e-4)


def test_an_intervals_score_is_the_sum_of_the_outputs_from_it_on():
    assert interval_scores(torch.tensor([[1.0, 2.0, 4.0]])).tolist() == [[7.0, 6.0, 4.0, 0.0]]


def test_deephits_loss_is_pycoxs_with_a_first_cut_at_which_nothing_happens():
    from pycox.models.data import pair_rank_mat
    from pycox.models.loss import DeepHitSingleLoss

    rng = np.random.default_rng(0)
    outputs, interval = torch.tensor(rng.normal(size=(60, 5))).float(), torch.from_numpy(rng.integers(0, 6, 60))
    event = torch.from_numpy(rng.random(60) < 0.6)
    # pycox: an event lies before its cut, a censored patient has lived until his, and the open interval has no label
    cut = torch.where(event, interval + 1, interval).clamp_max(5)
    closed = event & (interval < 5)
    comparable = torch.from_numpy(pair_rank_mat(cut.numpy(), closed.numpy()))
    first = torch.full((60, 1), -50.0)
    theirs = DeepHitSingleLoss(DeepHit.ALPHA, DeepHit.SIGMA)(
        torch.cat([first, outputs], dim=1), cut, closed.float(), comparable.float()
    )
    ours = DeepHit().loss(outputs, interval, event, interval)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_edges_are_quantiles_of_the_event_times_alone():
    time = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 100.0])
    event = np.array([True, True, True, True, True, False])
    assert time_edges(time, event).tolist() == [1.0, 3.0, 5.0]  # ceil(sqrt(5)) = 3 of them


def test_nnet_survivals_likelihood_is_that_of_the_image_networks_on_the_same_intervals():
    rng = np.random.default_rng(0)
    outputs = torch.from_numpy(rng.normal(size=(40, len(BREAKS_MONTHS) - 1)))
    time, event = rng.uniform(0.5, 119.0, 40), rng.random(40) < 0.5
    edges = np.array(BREAKS_MONTHS[1:])
    interval = np.searchsorted(edges, time, side="right")
    middles = (np.array(BREAKS_MONTHS[:-1]) + edges) / 2
    survived = np.where(event, interval, np.searchsorted(middles, time, side="right"))
    ours = NnetSurvival().loss(outputs, *map(torch.from_numpy, (interval, event, survived)))
    theirs = discrete_time_loss(torch.sigmoid(-outputs), torch.from_numpy(time), torch.from_numpy(event))
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.fixture(scope="module")
def cohort():
    """Return 120 patients whose hazard is the first of three features."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(120, 3))
    return Cohort(
        subjects=tuple(Subject(f"P{n:03d}", "", {}, {}) for n in range(120)),
        features=FeatureTable(("a", "b", "c"), values),
        time=rng.exponential(20 * np.exp(-1.5 * values[:, 0])) + 0.1,
        event=rng.random(120) < 0.7,
    )


def fitted(kind, cohort, folder):
    ctx = Context(seeds=Seeds(0, 0, "test"), training=load_profile("smoke").training, scratch=folder)
    return kind().fit(cohort, validation=None, ctx=ctx)


@pytest.mark.parametrize("kind", KINDS)
def test_curves_start_at_one_and_stand_in_the_order_of_the_risks(kind, cohort, tmp_path):
    model = fitted(kind, cohort, tmp_path)
    risk = model.predict_risk(cohort)
    months = np.array([0.0, *time_edges(cohort.time, cohort.event)])
    curves = model.predict_survival(cohort, months)
    assert curves[:, 0] == pytest.approx(1.0)
    ranks = [values.argsort().argsort() for values in (risk, -curves[:, 1:].mean(axis=1), cohort.features.values[:, 0])]
    by_curve, by_feature = np.corrcoef(ranks)[0, 1:]
    # MTLR's published risk sums hazards, so it weighs the end of the curve more than the mean does
    assert by_curve > (0.8 if kind is MTLR else 0.999)
    assert by_feature > 0.7
