"""Codes of boards."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from unittest import mock

import numpy as np
import toy_study
from codes.pair import Pairs
from survbench.actions.ensemble import add_ensemble
from survbench.leaderboard.board.build import build_board
from survbench.runs.store import Store
from toy_board import FAIR, GOOD
from toy_study import FOLD, TIME, figures, method, study

PAIRS = Pairs()
NETWORK = {"parameters": 5}
RARE = np.isin(np.arange(30), (0, 1, 2))
"""One event in each of the three folds."""


def of_board(code):
    """Add the pair of a function that writes runs into a store and returns their study."""

    def add(write):
        @PAIRS.of(code)
        def found(folder, wrong):
            store = Store(folder)
            return build_board(write(store, wrong), store).findings

        return write

    return add


def of_entries(*entries, **more):
    return study(entries, external=False, **more)


def with_events(event):
    """Give the patients of the toy study these events."""
    made = toy_study.outcomes
    return mock.patch.object(toy_study, "outcomes", lambda ids: (made(ids)[0], event[: len(ids)]))


def with_protocol(made, **fields):
    return replace(made, protocol=made.protocol.model_copy(update=fields))


def with_learning(store, train):
    return of_entries(method(store, "net", GOOD, learning=[[figures(train)] * 3]))


@of_board("SB701")
def short_training(store, wrong):
    training = {"steps": 6 if wrong else 15_000, "batch_size": 4}
    return of_entries(method(store, "net", GOOD, description=NETWORK), training=training)


@of_board("SB702")
def selected_on_test(store, wrong):
    return of_entries(method(store, "net", GOOD), selection="paper" if wrong else "last")


@of_board("SB703")
def tuned_on_test(store, wrong):
    tuned = replace(method(store, "tuned", GOOD), tunes=(("search",),) if wrong else ())
    return with_protocol(of_entries(tuned), tuning="paper")


@of_board("SB704")
def one_seed(store, wrong):
    entry = replace(method(store, "net", np.stack([GOOD, FAIR])), stochastic=True)
    return with_protocol(of_entries(entry), seeds=1 if wrong else 2)


@of_board("SB705")
def not_learned(store, wrong):
    return with_learning(store, 0.6 if wrong else 0.9)


@of_board("SB706")
def over_fitted(store, wrong):
    lots = np.random.default_rng(0).permutation(30).astype(float)
    return of_entries(method(store, "heart", lots if wrong else GOOD, learning=[[figures(1.0)] * 3]))


@of_board("SB707")
def left_out(store, wrong):
    made = of_entries(method(store, "m", GOOD))
    return replace(made, cohort=made.cohort.model_copy(update={"left_out": ("P77",) if wrong else ()}))


@of_board("SB708")
def few_events(store, wrong):
    with nullcontext() if wrong else with_events(np.ones(30, bool)):
        return of_entries(method(store, "m", GOOD))


@of_board("SB709")
def masks(store, wrong):
    entries = [method(store, name, risk) for name, risk in (("a", GOOD), ("b", FAIR))]
    return of_entries(replace(entries[0], needs_mask=True), replace(entries[1], needs_mask=not wrong))


@of_board("SB710")
def constant_risk(store, wrong):
    flat = np.where(FOLD == 2, 0.5, GOOD)
    if not wrong:
        flat[np.flatnonzero(FOLD == 2)[0]] = 1.0
    return of_entries(method(store, "flat", flat))


@of_board("SB711")
def imported(store, wrong):
    return of_entries(replace(method(store, "m", GOOD), imported=wrong))


@of_board("SB712")
def resamples(store, wrong):
    with with_events(RARE) if wrong else nullcontext():
        return of_entries(method(store, "m", GOOD))


@of_board("SB713")
def reference(store, wrong):
    return of_entries(method(store, "other" if wrong else "radiomics-lasso-cox", FAIR))


@of_board("SB714")
def over_fitting_hidden(store, wrong):
    made = with_learning(store, 0.9)
    return with_protocol(made, selection="paper" if wrong else "last")


@of_board("SB716")
def chosen_members(store, wrong):
    made = of_entries(method(store, "a", GOOD), method(store, "b", FAIR))
    return add_ensemble(made, store, ["a", "b"]) if wrong else made


@of_board("SB717")
def member_left_out(store, wrong):
    made = of_entries(method(store, "a", GOOD), method(store, "b", np.where(FOLD == 2, 0.5, FAIR) if wrong else FAIR))
    return add_ensemble(made, store, ["a", "b"])


@of_board("SB718")
def harmonised(store, wrong):
    entry = method(store, "combat-radiomics-cox", GOOD)
    return of_entries(replace(entry, params={"source": "combat-radiomics" if wrong else "radiomics"}))


@of_board("SB715")
def turned_round(store, wrong):
    return of_entries(method(store, "m", TIME if wrong else -TIME))
