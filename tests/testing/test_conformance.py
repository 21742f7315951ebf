"""Every method keeps what every method promises, and one that does not is found by the check that is meant for it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import numpy as np
import pytest
from survbench.api import MethodInfo, NotFittedError
from survbench.plan.registry import registry
from survbench.space import Whole
from survbench.testing import check_method

METHODS = registry().methods
# one network per kind of architecture runs always, the others where time is plenty
ALWAYS = {"mdsn", "cnn-survival", "sur-casnet"}
SLOW = {n for n, m in METHODS.items() if (m.selects and n not in ALWAYS) or not m.in_all}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in METHODS])
def test_every_method_keeps_its_promises(name):
    failed = [(c.name, c.detail) for c in check_method(METHODS[name]) if c.outcome == "failed"]
    assert failed == []


class Good:
    """Ranks by the mean of the first image."""

    def __init__(self):
        self._mean = None

    def fit(self, train, *, validation, ctx):
        self._mean = self._measure(train).mean()
        return self

    def predict_risk(self, cohort):
        if self._mean is None:
            raise NotFittedError
        return self._measure(cohort) - self._mean

    def _measure(self, cohort):
        return np.array([float(np.mean(s.volumes["pet"].voxels())) for s in cohort.subjects])

    def save(self, folder):
        (folder / "mean.txt").write_text(repr(float(self._mean)))

    def load(self, folder, *, device):
        self._mean = float((folder / "mean.txt").read_text())
        return self


class Flipped(Good):
    def predict_risk(self, cohort):
        return -super().predict_risk(cohort)


class Transductive(Good):
    def predict_risk(self, cohort):
        risk = super().predict_risk(cohort)
        return risk - risk.mean()


class OrderDependent(Good):
    def predict_risk(self, cohort):
        return super().predict_risk(cohort) + 0.1 * np.arange(len(cohort))


class NotFinite(Good):
    def predict_risk(self, cohort):
        return np.where(super().predict_risk(cohort) > 0, np.nan, 0.0)


class Mutates(Good):
    def fit(self, train, *, validation, ctx):
        train.time[0] += 1.0
        return super().fit(train, validation=validation, ctx=ctx)


class SeedsGlobally(Good):
    def fit(self, train, *, validation, ctx):
        np.random.seed(0)  # noqa: NPY002
        return super().fit(train, validation=validation, ctx=ctx)


class ChangesEnvironment(Good):
    def fit(self, train, *, validation, ctx):
        os.environ["SURVBENCH_CHANGED"] = "1"
        return super().fit(train, validation=validation, ctx=ctx)


class SetsFlags(Good):
    def fit(self, train, *, validation, ctx):
        import torch

        torch.use_deterministic_algorithms(True)
        return super().fit(train, validation=validation, ctx=ctx)


class HasNoWord(Good):
    def fit(self, train, *, validation, ctx):
        if not train.event.any():
            raise ValueError
        return super().fit(train, validation=validation, ctx=ctx)


class Unseeded(Good):
    def fit(self, train, *, validation, ctx):
        super().fit(train, validation=validation, ctx=ctx)
        self._mean += np.random.default_rng().random()
        return self


class Forgets(Good):
    def load(self, folder, *, device):
        self._mean = 0.0
        return self


class Eager(Good):
    def predict_risk(self, cohort):
        return self._measure(cohort)


class WrongShape(Good):
    def predict_risk(self, cohort):
        return super().predict_risk(cohort)[:, None]


class BadWeight(Good):
    def selected(self):
        return {"volume": np.nan}


class ReturnsNothing(Good):
    def fit(self, train, *, validation, ctx):
        super().fit(train, validation=validation, ctx=ctx)


INFO = MethodInfo(
    name="toy",
    title="Toy",
    family="outside",
    target=f"{__name__}:Good",
    needs_fit=frozenset({"images"}),
    needs_predict=frozenset({"images"}),
    reference="this test",
)


def failed(kind):
    sys.modules.setdefault(__name__, sys.modules[kind.__module__])
    info = replace(INFO, target=f"{kind.__module__}:{kind.__name__}")
    return {c.name for c in check_method(info) if c.outcome == "failed"}


def test_a_good_method_passes():
    assert failed(Good) == set()


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Flipped, "higher risk means an earlier event"),
        (Transductive, "each patient stands alone"),
        (OrderDependent, "order of patients does not matter"),
        (NotFinite, "shapes and finite values"),
        (Mutates, "fit returns self and changes nothing"),
        (SeedsGlobally, "fit returns self and changes nothing"),
        (ChangesEnvironment, "fit returns self and changes nothing"),
        (SetsFlags, "fit returns self and changes nothing"),
        (HasNoWord, "no event at all"),
        (Unseeded, "same seed same result"),
        (Forgets, "saved and loaded it is the same"),
        (Eager, "predicting before fit is refused"),
        (WrongShape, "shapes and finite values"),
        (BadWeight, "weights of columns are numbers"),
        (ReturnsNothing, "fit returns self and changes nothing"),
    ],
)
def test_a_wrong_method_fails_the_check_that_is_meant_for_it(kind, check, monkeypatch):
    import torch

    monkeypatch.setenv("SURVBENCH_CHANGED", "0")
    assert check in failed(kind)
    torch.use_deterministic_algorithms(False)


def test_a_space_whose_params_the_method_does_not_take_fails_its_check():
    sys.modules.setdefault(__name__, sys.modules[Good.__module__])
    info = replace(INFO, target=f"{Good.__module__}:Good", space={"depth": Whole(1, 3)})
    assert {c.name for c in check_method(info) if c.outcome == "failed"} == {"every sample of the search space builds"}


class BrightInMR(Good):
    """Ranks by the mean of the second sequence of MR."""

    def _measure(self, cohort):
        assert cohort.channels == ("t1", "t2")
        return np.array([float(np.mean(s.volumes["t2"].voxels())) for s in cohort.subjects])


def test_a_method_for_mr_alone_is_checked_on_mr():
    info = MethodInfo(
        name="bright-in-mr",
        title="Bright in MR",
        family="outside",
        target=f"{__name__}:BrightInMR",
        needs_fit=frozenset({"images"}),
        needs_predict=frozenset({"images"}),
        modalities=frozenset({"MR"}),
        trains=False,
        reference="none",
    )
    assert [(c.name, c.detail) for c in check_method(info) if c.outcome == "failed"] == []
