"""A method of any estimator with ``fit(X, y)`` and ``predict(X)``, as those of scikit-survival."""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, Unpack

import numpy as np
from numpy.typing import NDArray
from survbench.api import Context, Gives, MethodInfo, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.errors import BenchError
from survbench.features.sources import source_named
from survbench.models.events import require_events
from survbench.models.learners.design import Design
from survbench.models.learners.table_learner import Columns, TableLearner

MODEL, DESIGN = "estimator.skops", "design.json"
TRUSTED = frozenset({"scipy", "sklearn", "sksurv"})
"""Packages whose classes are loaded beside those that skops trusts; the estimator's own package is added to them."""


@dataclass(frozen=True, slots=True)
class _Fitted:
    design: Design
    estimator: Any


class EstimatorMethod(TableLearner, ABC):
    """A survival model whose :meth:`estimator` is fitted on the columns of a source.

    ``y`` is scikit-survival's structured array of event and time (months). The model is saved by skops, without pickle.

    Args:
        columns: see :class:`survbench.models.learners.table_learner.TableLearner`.
    """

    predicts: ClassVar[Literal["risk", "time"]] = "risk"
    """What ``predict`` of the estimator returns: a risk, higher for an earlier event, or a time, lower for one."""

    def __init__(self, **columns: Unpack[Columns]) -> None:
        super().__init__(**columns)
        self._fitted: _Fitted | None = None

    @abstractmethod
    def estimator(self, seed: int) -> Any:
        """Return a fresh estimator; ``seed`` is for its ``random_state``."""

    @classmethod
    def declare(
        cls, name: str, *, reference: str, source: str = "radiomics", curves: bool = False, **more: Any
    ) -> MethodInfo:
        """Return the declaration of the method.

        Args:
            name: of the method, kebab case.
            reference: where it comes from.
            source: name of the source of the columns.
            curves: whether the estimator has ``predict_survival_function``.
            more: other arguments of :class:`survbench.api.MethodInfo`, such as ``space`` or ``title``.
        """
        columns = source_named(source)
        gives: frozenset[Gives] = frozenset({"risk", "survival"} if curves else {"risk"})
        declared = {
            "title": name,
            "family": "outside",
            "needs_fit": columns.needs,
            "needs_predict": columns.needs,
            "gives": gives,
            "stochastic": True,
            "trains": False,
        }
        return MethodInfo(
            name=name,
            reference=reference,
            target=f"{cls.__module__}:{cls.__qualname__}",
            params={"source": source},
            upstream=columns.upstream,
            **{**declared, **more},
        )

    def fit(self, train: Cohort, *, validation: Cohort | None, ctx: Context) -> Self:  # noqa: ARG002
        """Select features and fit the estimator, on the training fold alone."""
        from sksurv.util import Surv

        require_events(train, what=f"the estimator of {type(self).__name__}")
        design = self._design(train)
        ctx.check_deadline()
        estimator = self.estimator(ctx.seeds.of("init"))
        estimator.fit(design.matrix(train), Surv.from_arrays(train.event, train.time))
        self._fitted = _Fitted(design, estimator)
        return self

    def predict_risk(self, cohort: UnlabelledCohort) -> NDArray[np.float64]:
        """Return what the estimator predicts, shape (n,), with the sign of a risk."""
        fitted = self._require()
        values = np.asarray(fitted.estimator.predict(fitted.design.matrix(cohort)), dtype=np.float64).reshape(-1)
        return -values if self.predicts == "time" else values

    def predict_survival(self, cohort: UnlabelledCohort, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return survival at ``times`` (months), shape (n, len(times)); level after the estimator's last time."""
        fitted = self._require()
        curves = fitted.estimator.predict_survival_function(fitted.design.matrix(cohort))
        rows = [_at(np.asarray(curve.x), np.asarray(curve.y), times) for curve in curves]
        return np.array(rows, dtype=np.float64).reshape(len(cohort), len(times))

    def save(self, folder: Path) -> None:
        """Write ``design.json`` and ``estimator.skops``.

        Raises:
            BenchError: the estimator cannot be written without pickle; says of which types, and what to do.
        """
        from skops import io

        fitted = self._require()
        (folder / DESIGN).write_text(json.dumps(fitted.design.to_json(), indent=1) + "\n", encoding="utf-8")
        try:
            io.dump(fitted.estimator, folder / MODEL)
            foreign = self._foreign(folder / MODEL)
        except Exception as error:
            raise BenchError(self._refusal(f"skops: {error}")) from error
        if foreign:
            (folder / MODEL).unlink()
            raise BenchError(self._refusal(f"it holds {', '.join(foreign)}"))

    def load(self, folder: Path, *, device: str) -> Self:  # noqa: ARG002
        """Restore what :meth:`save` wrote.

        Raises:
            BenchError: the file holds types of a package that is not trusted.
        """
        from skops import io

        foreign = self._foreign(folder / MODEL)
        if foreign:
            raise BenchError(
                f"{folder / MODEL}: it holds {', '.join(foreign)}, of a package that is not trusted. Fit again."
            )
        design = Design.from_json(json.loads((folder / DESIGN).read_text(encoding="utf-8")))
        estimator = io.load(folder / MODEL, trusted=io.get_untrusted_types(file=folder / MODEL))
        self._fitted = _Fitted(design, estimator)
        return self

    def _foreign(self, path: Path) -> Sequence[str]:
        """Return what a file names beside classes of trusted packages; a function could do anything when called."""
        from skops import io

        trusted = TRUSTED | {type(self.estimator(0)).__module__.partition(".")[0]}
        named = io.get_untrusted_types(file=path)
        return [name for name in named if name.partition(".")[0] not in trusted or not _is_class(name)]

    def _refusal(self, reason: str) -> str:
        return (
            f"{type(self).__name__} cannot be saved without pickle: {reason}. Write "
            "'save' and 'load' of your own, with arrays and JSON (docs/how-to/write-a-plugin.md)."
        )

    def _require(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError(f"{type(self).__name__} predicts after 'fit' or 'load'")
        return self._fitted


def _is_class(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        return isinstance(getattr(importlib.import_module(module), attribute, None), type)
    except ImportError:  # what lies inside a class, such as one of its methods
        return False


def _at(x: NDArray[np.float64], y: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a step function at ``times``: 1 before its first step, level after the last."""
    return np.concatenate([[1.0], y])[np.searchsorted(x, times, side="right")]
