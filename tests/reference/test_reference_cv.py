"""Two public feature tables against an independent computation on the same 25 splits with the same settings.

The settings stand in the reference's files. Reading, imputation, scaling and redundancy are ours. The reference clips
scaled values, orders features by |C - 0.5|, chooses the penalty by C and grows trees on whole bootstrap samples; our
methods do none of that by default, so these steps are written here, around scikit-survival.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from outside_data import outside
from reference_values import stored
from survbench.datasets.cohorts.named import load_source
from survbench.features.screening import spearman_redundancy
from survbench.metrics import concordance_index
from survbench.models.learners.design import Design
from survbench.plan.profile import load_profile

CLIP = 8.0
COHORTS = {
    "hn_petct": ("hn_petct_hgj_pfs.json", 91, 29, 210, 0.02),
    "nsclc_pet": ("nsclc_pet_os.json", 262, 189, 117, 0.01),
}


def c_index(cohort, risk):
    """Return C; of a constant risk 0.5, as the reference counts it."""
    return concordance_index(cohort.time, cohort.event, risk).value


def outcome(cohort):
    from sksurv.util import Surv

    return Surv.from_arrays(cohort.event, cohort.time)


def selected(train, test):
    """Return the kept columns of training and test part, imputed and scaled on the training part."""
    design = Design.fit(train, source="radiomics", redundancy=1.0)
    position = {f.name: n for n, f in enumerate(design.features)}
    # in the order of the table, which decides between features of equal strength
    order = [position[n] for n in train.features.names if n in position]
    x, y = (np.clip(design.keep(order).matrix(part), -CLIP, CLIP) for part in (train, test))
    strength = np.array([abs(c_index(train, column) - 0.5) for column in x.T])
    kept = spearman_redundancy(x, strength, threshold=0.7)
    return x[:, kept], y[:, kept]


def path(x, of, **settings):
    from sksurv.linear_model import CoxnetSurvivalAnalysis

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="all coefficients are zero")
        return CoxnetSurvivalAnalysis(l1_ratio=1.0, **settings).fit(x, outcome(of))


def lasso_cox(x, train, seed):
    """Return the coefficients at the penalty with the best mean C over five inner folds."""
    from sklearn.model_selection import StratifiedKFold

    whole = path(x, train, n_alphas=40, alpha_min_ratio=0.05)
    scores = []
    for inner, held_out in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, train.event):
        model = path(x[inner], train.take(inner), alphas=whole.alphas_)
        # by penalty, not by place: a path that begins with many empty models ends early
        risks = [model.predict(x[held_out], alpha=alpha) for alpha in whole.alphas_]
        scores.append([c_index(train.take(held_out), risk) for risk in risks])
    return whole.coef_[:, np.argmax(np.mean(scores, axis=0))]


def forest(x, train, seed):
    from sksurv.ensemble import RandomSurvivalForest

    trees = RandomSurvivalForest(
        n_estimators=300, min_samples_leaf=10, min_samples_split=20, max_features="sqrt", random_state=seed
    )
    return trees.fit(x, outcome(train))


@pytest.mark.slow
@pytest.mark.parametrize("name", COHORTS)
def test_selection_lasso_cox_and_forest_reach_the_references_mean_c(name):
    file, patients, events, features, tolerance = COHORTS[name]
    cohort = load_source(name, profile=load_profile("smoke"), data=outside(name)).cohort.restrict({"radiomics"})
    assert (len(cohort), int(cohort.event.sum()), len(cohort.features.names)) == (patients, events, features)
    reference = stored(f"cross_validation/{file}")
    found: dict[str, list[float]] = {"lasso_cox": [], "rsf": []}
    kept = []
    for fold in reference["folds"]:
        held_out = set(fold["test"])
        # in the order of the file, by which the reference deals patients to inner folds
        ids = sorted(cohort.ids, key=lambda i: int(i.rsplit("-", 1)[-1]))
        train, test = (cohort.select(i for i in ids if (i in held_out) == part) for part in (False, True))
        x, y = selected(train, test)
        kept.append(x.shape[1] - fold["kept"])
        found["lasso_cox"].append(c_index(test, y @ lasso_cox(x, train, fold["repeat"])))
        found["rsf"].append(c_index(test, forest(x, train, fold["repeat"]).predict(y)))
    # features of equal strength may be visited in another order
    assert np.abs(kept).max() <= 1
    assert np.mean(np.equal(kept, 0)) >= 0.8
    for learner, values in found.items():
        assert np.mean(values) == pytest.approx(reference["mean_sd"][learner][0], abs=tolerance), learner
