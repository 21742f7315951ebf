"""A second implementation of every learner, with the settings of the first: another library, or the published formula.

Each takes the built-in learner, of which it reads settings alone, the columns of the training patients, these patients,
the columns of the test patients and a seed, and returns the risks of the test patients.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from survbench.cohort import Cohort
from survbench.models.learners.deepsurv import Budget
from torch import nn

Matrix = NDArray[np.float64]
Second = Callable[[Any, Matrix, Cohort, Matrix, int], Matrix]


def _outcome(train: Cohort) -> Any:
    from sksurv.util import Surv

    return Surv.from_arrays(train.event, train.time)


def _cox(learner: Any, x: Matrix, train: Cohort, z: Matrix, _seed: int) -> Matrix:
    """Lifelines: Newton steps, Efron's ties."""
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(x).assign(time=train.time, event=train.event)
    fitted = CoxPHFitter(penalizer=learner.ridge).fit(frame, "time", "event")
    return np.asarray(fitted.predict_log_partial_hazard(pd.DataFrame(z)), dtype=np.float64)


class _Breslow:
    """Breslow's log partial likelihood of patients, and its derivative by each patient's risk."""

    def __init__(self, time: Matrix, event: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-time, kind="stable")
        latest = -time[self._order]
        # patients of one time are at risk together
        self._first, self._last = np.searchsorted(latest, latest), np.searchsorted(latest, latest, side="right") - 1
        self._happened = event[self._order].astype(float)

    def value(self, risk: Matrix) -> float:
        ordered = risk[self._order]
        return float(self._happened @ (ordered - np.log(np.exp(ordered).cumsum()[self._last])))

    def gradient(self, risk: Matrix) -> Matrix:
        hazard = np.exp(risk[self._order])
        passed = (self._happened / hazard.cumsum()[self._last])[::-1].cumsum()[::-1][self._first]
        gradient = np.empty_like(risk)
        gradient[self._order] = self._happened - hazard * passed
        return gradient


def _net_path(x: Matrix, train: Cohort, rows: NDArray[np.bool_], penalties: Matrix, l1_ratio: float) -> Matrix:
    """Return the elastic-net coefficients by accelerated proximal gradients (Beck and Teboulle 2009), a row each."""
    x, likelihood = x[rows], _Breslow(train.time[rows], train.event[rows])
    # four times the curvature at equal risks: columns vary more in some risk sets than in all patients
    step = len(x) / (4 * train.event[rows].mean() * np.linalg.norm(x, 2) ** 2 + 1e-12)
    beta, path = np.zeros(x.shape[1]), []
    for penalty in penalties:
        ahead, momentum = beta, 1.0
        for _ in range(1000):
            gradient = x.T @ likelihood.gradient(x @ ahead) / len(x) - penalty * (1 - l1_ratio) * ahead
            moved = ahead + step * gradient
            new = np.sign(moved) * np.maximum(np.abs(moved) - step * penalty * l1_ratio, 0.0)
            change = new - beta
            if (ahead - new) @ change > 0:  # overshot: start the momentum again
                momentum = 1.0
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead, beta, momentum = new + (momentum - 1) / following * change, new, following
            if np.abs(change).max() < 1e-5:
                break
        path.append(beta)
    return np.array(path)


def _elastic_net(learner: Any, x: Matrix, train: Cohort, z: Matrix, _seed: int) -> Matrix:
    """Proximal gradients; the penalty by the partial likelihood of ten inner folds."""
    spread = np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1.0)
    x, z, everybody = x / spread, z / spread, np.ones(len(x), dtype=bool)
    whole = _Breslow(train.time, train.event)
    largest = np.abs(x.T @ whole.gradient(np.zeros(len(x)))).max() / len(x) / learner.l1_ratio
    penalties = largest * np.geomspace(1.0, 0.05, 100)
    number = min(10, int(train.event.sum()))
    folds = np.empty(len(x), dtype=int)
    for kind in (train.event, ~train.event):
        folds[kind] = np.arange(kind.sum()) % number
    likelihood = np.zeros(len(penalties))
    for fold in range(number):
        kept = folds != fold
        part = _Breslow(train.time[kept], train.event[kept])
        path = _net_path(x, train, kept, penalties, learner.l1_ratio)
        likelihood += [whole.value(x @ beta) - part.value(x[kept] @ beta) for beta in path]
    chosen = int(np.argmax(likelihood))
    return z @ _net_path(x, train, everybody, penalties[: chosen + 1], learner.l1_ratio)[-1]


def _library(make: Callable[[Any, int], Any], sign: float = 1.0) -> Second:
    """Return scikit-survival's own estimator, fitted without survbench and with another seed."""

    def fit(learner: Any, x: Matrix, train: Cohort, z: Matrix, seed: int) -> Matrix:
        return sign * np.asarray(make(learner, seed).fit(x, _outcome(train)).predict(z), dtype=np.float64)

    return fit


def _forest(learner: Any, seed: int) -> Any:
    from sksurv.ensemble import RandomSurvivalForest

    class Forest(RandomSurvivalForest):
        def fit(self, x: Matrix, outcome: Any) -> Any:
            self.max_features = int(np.ceil(np.sqrt(x.shape[1])))
            return super().fit(x, outcome)

    return Forest(learner.trees, min_samples_leaf=learner.leaf, random_state=seed, low_memory=True)


def _boosted_trees(learner: Any, seed: int) -> Any:
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis

    return GradientBoostingSurvivalAnalysis(
        n_estimators=learner.trees,
        learning_rate=learner.learning_rate,
        max_depth=learner.depth,
        subsample=learner.subsample,
        min_samples_leaf=learner.leaf,
        max_features="sqrt",
        random_state=seed,
    )


def _componentwise(learner: Any, x: Matrix, train: Cohort, z: Matrix, _seed: int) -> Matrix:
    """Least squares of one column at a time on the gradient of the Cox likelihood (Hothorn et al. 2006)."""
    centred = x - x.mean(axis=0)
    squares = (centred**2).sum(axis=0)
    beta = np.zeros(x.shape[1])
    likelihood = _Breslow(train.time, train.event)
    for _ in range(learner.steps):
        gradient = likelihood.gradient(centred @ beta)
        slopes = np.divide(centred.T @ gradient, squares, out=np.zeros(len(beta)), where=squares > 0)
        best = int(np.argmax(slopes**2 * squares))
        beta[best] += learner.learning_rate * slopes[best]
    return z @ beta


def _regression_svm(learner: Any, x: Matrix, train: Cohort, z: Matrix, _seed: int) -> Matrix:
    """L-BFGS on the squared loss of log time: a censored patient costs only if predicted too early."""
    from scipy.optimize import minimize

    columns, target = np.column_stack([x, np.ones(len(x))]), np.log(train.time)

    def loss(w: Matrix) -> tuple[float, Matrix]:
        late = target - columns @ w
        late = np.where(train.event, late, np.maximum(late, 0.0))
        size = np.append(w[:-1], 0.0)
        return (size @ size + learner.penalty * late @ late) / 2, size - learner.penalty * columns.T @ late

    found = minimize(loss, np.zeros(columns.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 5000})
    return -z @ found.x[:-1]


def _ranking_svm(learner: Any, seed: int) -> Any:
    """Return scikit-survival's machine on all pairs, by liblinear; its sum of squares has no factor of a half."""
    from sksurv.svm import NaiveSurvivalSVM

    return NaiveSurvivalSVM(alpha=learner.penalty / 2, max_iter=5000, random_state=seed)


def _minlip(learner: Any, x: Matrix, train: Cohort, z: Matrix, _seed: int) -> Matrix:
    """OSQP on the primal problem (Van Belle et al. 2011): ``min w'w / 2 + penalty * sum |e|`` such that
    ``D(Xw + e) >= Dy``, with a row of D for every patient and the latest event before him.
    """
    import osqp
    from scipy import sparse

    events = np.flatnonzero(train.event)
    events = events[np.argsort(train.time[events], kind="stable")]
    place = np.searchsorted(train.time[events], train.time, side="left") - 1
    later = np.flatnonzero(place >= 0)
    patients, columns = x.shape
    pairs = sparse.eye(patients, format="csr")[later] - sparse.eye(patients, format="csr")[events[place[later]]]
    positive = sparse.hstack([sparse.csc_matrix((2 * patients, columns)), sparse.eye(2 * patients)])
    solver = osqp.OSQP()
    solver.setup(
        P=sparse.diags([1.0] * columns + [0.0] * 2 * patients, format="csc"),
        q=np.append(np.zeros(columns), np.full(2 * patients, learner.penalty)),
        A=sparse.vstack([sparse.hstack([pairs @ sparse.csr_matrix(x), pairs, -pairs]), positive], format="csc"),
        l=np.append(pairs @ train.time, np.zeros(2 * patients)),
        u=np.full(len(later) + 2 * patients, np.inf),
        eps_abs=1e-5,
        eps_rel=1e-5,
        max_iter=50_000,
        verbose=False,
    )
    return -z @ np.asarray(solver.solve().x[:columns], dtype=np.float64)


def _cox_network(learner: Any, x: Matrix, train: Cohort, z: Matrix, seed: int) -> Matrix:
    """Plain torch: Adam on the Cox loss of full batches, stopped by an inner fifth."""
    torch.manual_seed(seed)
    budget = Budget.of_size(int(train.event.sum()))
    activation = {"selu": nn.SELU, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}[learner.activation]
    widths = [x.shape[1], *[learner.neurons] * learner.layers]
    hidden = [(nn.Linear(a, b), activation(), nn.Dropout(learner.dropout)) for a, b in pairwise(widths)]
    network = nn.Sequential(*[part for layer in hidden for part in layer], nn.Linear(widths[-1], 1, bias=False))
    adam = torch.optim.Adam(network.parameters(), lr=learner.learning_rate, weight_decay=budget.weight_decay)
    inner = np.zeros(len(x), dtype=bool)
    for kind in (train.event, ~train.event):
        inner[np.flatnonzero(kind)[::5]] = True
    order = np.argsort(-train.time, kind="stable")
    parts = [order[~inner[order]], order[inner[order]]]
    (fitted, stopping), happened = (
        [torch.tensor(x[rows], dtype=torch.float32) for rows in parts],
        [torch.tensor(train.event[rows].astype(np.float32)) for rows in parts],
    )

    def loss(values: torch.Tensor, event: torch.Tensor) -> torch.Tensor:
        risk = network(values)[:, 0]
        return (event * (torch.logcumsumexp(risk, 0) - risk)).sum() / event.sum()

    best, kept, since = np.inf, copy.deepcopy(network.state_dict()), 0
    for _ in range(budget.epochs):
        network.train()
        adam.zero_grad()
        torch.autograd.backward(loss(fitted, happened[0]))
        adam.step()
        network.eval()
        with torch.no_grad():
            now = loss(stopping, happened[1]).item()
        since += 1
        if now < best:
            best, kept, since = now, copy.deepcopy(network.state_dict()), 0
        if since >= budget.patience:
            break
    network.load_state_dict(kept)
    with torch.no_grad():
        return np.asarray(network(torch.tensor(z, dtype=torch.float32))[:, 0].double().numpy())


def _discrete(kind: str) -> Second:
    """Return pycox's model of discrete time, on our edges: its first cut is 0, at which nothing happens."""

    def fit(learner: Any, x: Matrix, train: Cohort, z: Matrix, seed: int) -> Matrix:
        import torchtuples as tt
        from pycox import models

        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # torchtuples draws its batches from it
        times = train.time[train.event]
        cuts = np.append(0.0, np.unique(np.quantile(times, np.linspace(0, 1, int(np.ceil(np.sqrt(len(times))))))))
        # pycox: an event lies in the interval before its cut, and a censored patient has lived until his; an event
        # after the last cut is one that did not happen before it
        started = np.searchsorted(cuts, train.time, side="right") - 1
        if kind == "LogisticHazard":  # a censored patient counts from the middle of an interval on
            lived = np.searchsorted((cuts[:-1] + cuts[1:]) / 2, train.time, side="right")
        else:
            lived = started
        event = train.event & (started < len(cuts) - 1)
        labels = np.where(event, started + 1, np.where(train.event, started, lived)), event.astype(np.float32)
        widths = [x.shape[1], *[learner.neurons] * learner.layers]
        hidden = [(nn.Linear(a, b), nn.ELU(), nn.Dropout(learner.dropout)) for a, b in pairwise(widths)]
        last = nn.Linear(widths[-1], len(cuts) - 1)
        nn.init.xavier_normal_(last.weight)
        nn.init.zeros_(last.bias)
        never = nn.ConstantPad1d((1, 0), -50.0)  # the score of the first cut
        net = nn.Sequential(*[part for layer in hidden for part in layer], last, never)
        decays = {"hidden": learner.weight_decay, "last": 0.01 if kind == "MTLR" else 0.0, "bias": 0.0}
        groups: dict[str, list[nn.Parameter]] = {name: [] for name in decays}
        for name, value in net.named_parameters():
            group = "bias" if name.endswith("bias") else "last" if value is last.weight else "hidden"
            groups[group].append(value)
        adam = torch.optim.Adam(
            [{"params": groups[name], "weight_decay": decay} for name, decay in decays.items() if groups[name]],
            lr=learner.learning_rate,
        )
        more = {"alpha": 0.2, "sigma": 0.1} if kind == "DeepHitSingle" else {}
        model = getattr(models, kind)(net, tt.optim.OptimWrap(adam), device="cpu", duration_index=cuts, **more)
        model.fit(
            x.astype(np.float32),
            (labels[0].astype(np.int64), labels[1]),
            batch_size=learner.batch,
            epochs=learner.epochs,
            verbose=False,
        )
        survival = np.asarray(model.predict_surv(z.astype(np.float32)), dtype=np.float64)
        if kind != "MTLR":
            return -survival[:, 1:].mean(axis=1)
        # torchmtlr's rule: the sum over the edges of the cumulative hazard
        hazard = -np.diff(survival, axis=1) / np.maximum(survival[:, 1:], 1e-7)
        return np.asarray(hazard.cumsum(axis=1).sum(axis=1), dtype=np.float64)

    return fit


SECOND: Mapping[str, Second] = {
    "cox": _cox,
    "univariate-cox": _cox,
    "lasso-cox": _elastic_net,
    "en-cox": _elastic_net,
    "rsf": _library(_forest),
    "survival-svm": _regression_svm,
    "survival-svm-rank": _library(_ranking_svm),
    "minlip": _minlip,
    "gradient-boosting-cox": _library(_boosted_trees),
    "componentwise-boosting": _componentwise,
    "faraggi-simon": _cox_network,
    "deepsurv": _cox_network,
    "matsuo-dnn": _cox_network,
    "deephit": _discrete("DeepHitSingle"),
    "nnet-survival": _discrete("LogisticHazard"),
    "mtlr": _discrete("MTLR"),
}
"""By name of the learner."""
