"""ICARE (Rebaud et al., HECKTOR 2022): a vote of columns with weights of one or minus one, alone or as a bag."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, FeatureTable, UnlabelledCohort
from survbench.errors import BenchError
from survbench.models.events import require_events
from survbench.models.learners.censoring import uncensored

if TYPE_CHECKING:
    from survbench.features.combat import Combat

FILE = "model.json"
Sign = Literal["tAUC", "harrell", "uno"]
Settings = Literal["package", "challenge"]
ALL_SIGNS: tuple[Sign, ...] = ("tAUC", "harrell", "uno")
RHO, CMIN, MAX_FEATURES = (0.57, 0.87), (0.51, 0.59), (0.006, 0.16)
"""Ranges of the five sets of hyper-parameters with which the challenge was won."""
AUC_PERCENTILES = np.linspace(10, 81, 25)
"""Of the times of patients: where the dynamic AUC is taken, as in the package."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How columns are chosen.

    Attributes:
        signs: scores of a column as a risk that must agree on its direction.
        rho: of two columns with a larger absolute correlation, the later one in random order goes; None keeps all.
        cmin: least mean over the scores of how far a column ranks patients, in its direction; None keeps all.
        max_features: share of the columns that are drawn; clinical columns are taken in any case.
    """

    signs: tuple[Sign, ...] = ALL_SIGNS
    rho: float | None = None
    cmin: float | None = None
    max_features: float = 1.0

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Self:
        """Return rules from the ranges of the challenge."""
        share = float(np.exp(rng.uniform(*np.log(MAX_FEATURES))))
        return cls(("harrell",), float(rng.uniform(*RHO)), float(rng.uniform(*CMIN)), share)


@dataclass(frozen=True, slots=True)
class Member:
    """A fitted vote.

    Attributes:
        names: of the columns that vote.
        signs: 1 or -1 of each.
        means, sds: of each on the training patients who have it; sd with n - 1. A constant column votes 0.
        mean, sd: of the training patients' votes.
    """

    names: tuple[str, ...]
    signs: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def fit(
        cls,
        table: FeatureTable,
        time: NDArray[np.float64],
        event: NDArray[np.bool_],
        *,
        rules: Rules,
        mandatory: Collection[str],
        rng: np.random.Generator,
        ctx: Context,
    ) -> Self:
        """Choose columns and their signs on training patients.

        Args:
            table: columns of the patients, NaN where missing.
            time: months, shape (n,).
            event: shape (n,).
            rules: see :class:`Rules`.
            mandatory: names that are never left out by ``rules.max_features``.
            rng: draws columns and their order.
            ctx: its deadline is checked for each column.
        """
        columns = _drawn(table.names, rules.max_features, mandatory, rng)
        if rules.rho is not None and rules.rho < 1:
            columns = columns[_uncorrelated(table.values[:, columns], rules.rho)]
        signs = column_signs(table.values[:, columns], time, event, rules=rules, ctx=ctx)
        columns, signs = columns[signs != 0], signs[signs != 0]
        values = table.values[:, columns]
        counts = np.isfinite(values).sum(axis=0)
        means = np.nansum(values, axis=0) / counts
        squares = np.nansum((values - means) ** 2, axis=0)
        sds = np.sqrt(squares / np.maximum(counts - 1, 1))
        unscaled = cls(
            tuple(table.names[i] for i in columns),
            tuple(int(s) for s in signs),
            tuple(means.tolist()),
            tuple(np.where(np.nanmax(values, axis=0) > np.nanmin(values, axis=0), sds, 0.0).tolist()),
        )
        votes = unscaled.vote(table)
        return cls(
            *(unscaled.names, unscaled.signs, unscaled.means, unscaled.sds),
            mean=float(np.nanmean(votes)) if signs.size else 0.0,
            sd=float(np.nanstd(votes)) or 1.0 if signs.size else 1.0,
        )

    def vote(self, table: FeatureTable) -> NDArray[np.float64]:
        """Return the mean over the columns that a patient has, scaled and signed, shape (n,); NaN without any."""
        position = {name: i for i, name in enumerate(table.names)}
        sds = np.array(self.sds)
        centred = table.values[:, [position[name] for name in self.names]] - np.array(self.means)
        scaled = centred * np.divide(np.array(self.signs), sds, out=np.zeros(len(sds)), where=sds > 0)
        present = np.isfinite(scaled).sum(axis=1)
        votes = np.divide(np.nansum(scaled, axis=1), present, out=np.full(len(table.values), np.nan), where=present > 0)
        standardised: NDArray[np.float64] = (votes - self.mean) / self.sd
        return standardised


class Votes:
    """What one vote and a bag of them share. No value is filled in: a patient's missing columns do not vote.

    Columns that are constant in the training fold are left out first. Subclasses fit the members.
    """

    def __init__(self, *, source: str) -> None:
        self.source = source
        self._transform: Combat | None = None
        self._clinical: tuple[str, ...] = ()
        self._members: tuple[Member, ...] = ()

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Choose columns and their signs, on the training fold alone."""
        from survbench.features.sources import source_named

        require_events(train, what="the sign of a column")
        self._transform = source_named(self.source).learned(train)
        table, self._clinical = self._columns(train)
        varying = [i for i, column in enumerate(table.values.T) if len(np.unique(column[np.isfinite(column)])) > 1]
        kept = FeatureTable(tuple(table.names[i] for i in varying), table.values[:, varying])
        self._members = tuple(self._fitted(kept, train, ctx))
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return the vote, in standard deviations of the training patients' votes, shape (n,).

        A patient who has none of a member's columns gets no vote of it; without any vote the risk is 0, the mean of
        the training patients.
        """
        table, _ = self._columns(cohort)
        votes = np.stack([member.vote(table) for member in self._require()])
        risk = np.zeros(len(cohort))
        has_vote = np.isfinite(votes).any(axis=0)
        risk[has_vote] = self._combined(votes[:, has_vote])
        return risk

    def selected(self) -> Mapping[str, float]:
        """Return by name the mean over the members of a column's sign, 0 where it does not vote."""
        members = self._require()
        total = dict.fromkeys(self._clinical, 0.0)
        for member in members:
            for name, sign in zip(member.names, member.signs, strict=True):
                total[name] = total.get(name, 0.0) + sign / len(members)
        return total

    def save(self, folder: Path) -> None:
        """Write ``model.json``: how the source changes the features, the clinical columns' names, and the members."""
        content = {
            "transform": self._transform and self._transform.to_json(),
            "clinical": self._clinical,
            "members": [asdict(member) for member in self._require()],
        }
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote."""
        from survbench.features.combat import Combat

        raw: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        self._transform = raw["transform"] and Combat.from_json(raw["transform"])
        self._clinical = tuple(raw["clinical"])
        self._members = tuple(
            Member(**{key: _hashable(value) for key, value in member.items()}) for member in raw["members"]
        )
        return self

    def _columns(self, cohort: UnlabelledCohort) -> tuple[FeatureTable, tuple[str, ...]]:
        """Return the columns of the source, NaN where missing, and the names of those that are clinical.

        Raises:
            BenchError: a feature and a clinical column have the same name.
        """
        from survbench.features.clinical import coded_table
        from survbench.features.sources import source_named

        seen = source_named(self.source).view(cohort, transform=self._transform)
        clinical = coded_table(seen)
        features = seen.features or FeatureTable((), np.empty((len(cohort), 0)))
        twice = sorted({*features.names} & {*clinical.names})
        if twice:
            raise BenchError(f"A feature and a clinical column are both called {twice[0]!r}. Rename one of them.")
        values = np.hstack([features.values, clinical.values])
        table = FeatureTable((*features.names, *clinical.names), np.where(np.isfinite(values), values, np.nan))
        return table, clinical.names

    def _fitted(self, table: FeatureTable, train: Cohort, ctx: Context) -> Sequence[Member]:
        """Return the members, fitted on the columns of ``table``."""
        raise NotImplementedError

    def _combined(self, votes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one vote from those of the members, shape (members, n), NaN where a member has none."""
        return np.asarray(np.nanmean(votes, axis=0), dtype=np.float64)

    def _require(self) -> tuple[Member, ...]:
        if not self._members:
            raise NotFittedError(f"{type(self).__name__} predicts after 'fit' or 'load'")
        return self._members


class Icare(Votes):
    """One vote on all training patients.

    With its defaults it is the published package's ``IcareSurvival``: all columns vote whose direction is the same by
    dynamic AUC, Harrell's C and Uno's C.

    Args:
        source: name of the source of the columns, one of :data:`survbench.features.sources.SOURCES`.
        rho, cmin, max_features: see :class:`Rules`.
    """

    def __init__(
        self,
        *,
        source: str = "radiomics",
        rho: float | None = None,
        cmin: float | None = None,
        max_features: float = 1.0,
    ) -> None:
        super().__init__(source=source)
        self.rho = rho
        self.cmin = cmin
        self.max_features = max_features

    def _fitted(self, table: FeatureTable, train: Cohort, ctx: Context) -> Sequence[Member]:
        rules = Rules(rho=self.rho, cmin=self.cmin, max_features=self.max_features)
        rng = ctx.seeds.rng("icare")
        return [Member.fit(table, train.time, train.event, rules=rules, mandatory=self._clinical, rng=rng, ctx=ctx)]


class IcareBagged(Votes):
    """Votes on bootstrap samples of the training patients.

    The bootstrap is balanced: over all members each patient is drawn equally often (Davison, Hinkley and Schechtman,
    Biometrika 73(3), 1986), so that the risk depends less on the seed.

    Args:
        source: see :class:`Icare`.
        settings: ``challenge`` draws for each member the rules of the winning submission to HECKTOR 2022 (signs by
            Harrell's C; ``rho``, ``cmin`` and ``max_features`` from the ranges of its five sets) and takes the
            median of the members; ``package`` has the published package's defaults, and takes the mean.
        members: how many; the submission had 100,000, the package's default is 10.
    """

    def __init__(self, *, source: str = "radiomics", settings: Settings = "challenge", members: int = 100) -> None:
        super().__init__(source=source)
        self.settings = settings
        self.members = members

    def _fitted(self, table: FeatureTable, train: Cohort, ctx: Context) -> Sequence[Member]:
        rng = ctx.seeds.rng("icare")
        members: list[Member] = []
        samples = rng.permutation(np.repeat(np.arange(len(train)), self.members)).reshape(self.members, len(train))
        for rows in samples:
            rules = Rules.drawn(rng) if self.settings == "challenge" else Rules()
            sample, outcome = FeatureTable(table.names, table.values[rows]), (train.time[rows], train.event[rows])
            members.append(Member.fit(sample, *outcome, rules=rules, mandatory=self._clinical, rng=rng, ctx=ctx))
        return members

    def _combined(self, votes: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.nanmedian(votes, axis=0)) if self.settings == "challenge" else super()._combined(votes)


def column_signs(
    values: NDArray[np.float64], time: NDArray[np.float64], event: NDArray[np.bool_], *, rules: Rules, ctx: Context
) -> NDArray[np.int64]:
    """Return 1 for columns of which a higher value is a higher risk, -1 for the others, 0 for those that are left out.

    A score is taken over patients who have a value. A column is left out where no score has a value, where scores
    disagree on the direction, or where their mean is below ``rules.cmin``. A score of 1/2 counts as 1.

    Args:
        values: shape (n, p), NaN where missing.
        time: months, shape (n,).
        event: shape (n,).
        rules: see :class:`Rules`.
        ctx: its deadline is checked for each column.
    """
    signs = np.zeros(values.shape[1], dtype=np.int64)
    # weights depend on who has a value, so columns with the same gaps have the same ones
    alike: dict[bytes, list[int]] = {}
    for i, present in enumerate(np.isfinite(values).T):
        alike.setdefault(present.tobytes(), []).append(i)
    for columns in alike.values():
        rows = np.isfinite(values[:, columns[0]])
        weights = [w for kind in rules.signs if (w := pair_weights(kind, time[rows], event[rows])).any()]
        for i in columns:
            ctx.check_deadline()
            known = values[rows, i]
            higher = np.heaviside(known[:, None] - known[None, :], 0.5)
            scores = np.array([(w * higher).sum() / w.sum() for w in weights])
            directed = np.where(scores >= 0.5, 1, -1)
            if len(set(directed.tolist())) == 1 and np.maximum(scores, 1 - scores).mean() >= (rules.cmin or 0.0):
                signs[i] = directed[0]
    return signs


def pair_weights(kind: Sign, time: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weight of each pair of patients in a score, shape (n, n): the score is the weighted share of pairs
    whose row has the higher risk.

    ``harrell`` is Harrell's C. ``uno`` is Uno's C, without events at the last time of an event. ``tAUC`` is the mean of
    the cumulative dynamic AUC at 25 times, weighted by the events between them (Lambert and Chevret, 2016).
    """
    from survbench.statistics.pairs import comparable_pairs

    if not event.any():
        return np.zeros((len(time), len(time)))
    if kind == "harrell":
        return comparable_pairs(time, event).astype(np.float64)
    free = uncensored(time, event)
    if kind == "uno":
        early = time < time[event].max()
        weights: NDArray[np.float64] = comparable_pairs(time, event) * (early / free**2)[:, None]
        return weights
    return _auc_weights(time, event, free)


def _auc_weights(time: NDArray[np.float64], event: NDArray[np.bool_], free: NDArray[np.float64]) -> NDArray[np.float64]:
    from sksurv.nonparametric import kaplan_meier_estimator

    months, share = kaplan_meier_estimator(event, time)
    times = np.unique(np.percentile(time, AUC_PERCENTILES))
    survival = np.concatenate([[1.0], share])[np.searchsorted(months, times, side="right")]
    fallen = -np.diff(np.concatenate([[1.0], survival]))
    cases = (event & (time <= times[:, None])) / free
    controls = (time > times[:, None]).astype(np.float64)
    used = (fallen > 0) & cases.any(axis=1) & controls.any(axis=1)
    cases, controls = (part[used] / part[used].sum(axis=1, keepdims=True) for part in (cases, controls))
    weights: NDArray[np.float64] = (cases * fallen[used, None]).T @ controls
    return weights


def _drawn(
    names: tuple[str, ...], share: float, mandatory: Collection[str], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return a share of all columns and the mandatory ones that are not among them, in random order."""
    drawn = np.arange(len(names), dtype=np.intp)
    if share < 1 and names:
        drawn = rng.choice(drawn, size=max(1, int(share * len(names))), replace=False)
    missed = np.setdiff1d([i for i, name in enumerate(names) if name in mandatory], drawn).astype(np.intp)
    return rng.permutation(np.concatenate([drawn, missed]))


def _hashable(value: Any) -> Any:
    """Return what JSON gives back for a tuple as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _uncorrelated(values: NDArray[np.float64], rho: float) -> NDArray[np.bool_]:
    """Return the columns that have no larger absolute correlation than ``rho`` with any earlier one, dropped ones
    included; Pearson's, over patients who have both.
    """
    import pandas as pd

    correlation = pd.DataFrame(values).corr().abs().to_numpy()
    return ~np.asarray(np.triu(correlation > rho, k=1).any(axis=0), dtype=np.bool_)
