"""What a method predicts for a patient who is in no cohort, among the out-of-fold risks of those who are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from survbench.api import SURVIVAL_MONTHS
from survbench.evaluation.learning import Verdicts
from survbench.evaluation.standardised import mean_of_models, percentile, standardised
from survbench.io.layout import CurveSource
from survbench.plan.study import Entry, Study
from survbench.runs.store import Run
from survbench.statistics.metrics import fold_mean_concordance

RESEARCH_ONLY = (
    "Research use only. Not a medical device: no decision about a patient may rest on this prediction, which nobody "
    "has validated for clinical use."
)
RANGE = "the range of the models, which is not a confidence interval"
PREDICTED_MASK = "_mask.nii.gz"
"""What follows a patient's id in the name of the predicted mask."""
SHOWN_MONTHS = (12, 24, 36, 60)
"""Months at which survival is printed and stands in CSV files."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The out-of-fold risks that a new patient is placed among.

    Attributes:
        risks: of the study's patients, standardised by the fold model that predicted each, the mean over seeds;
            shape (n,).
        scales: the out-of-fold risks of each fit, by its key: what its risks are standardised by.
        c_index: of the method in the study, the mean over folds and seeds; NaN if a fold has no comparable pair.
    """

    risks: Floats
    scales: dict[str, Floats]
    c_index: float

    @classmethod
    def of(cls, fits: Sequence[Sequence[Run]]) -> Self:
        """Return the reference that the fits of a method give.

        Args:
            fits: by seed and fold.
        """
        tables = {run.key: run.predictions().sort_values("id") for seed in fits for run in seed}
        scales = {key: table["risk"].to_numpy(dtype=np.float64) for key, table in tables.items()}
        risks, found = [], []
        for seed in fits:
            risks.append(np.concatenate([standardised(scales[run.key], scales[run.key]) for run in seed]))
            columns = [
                np.concatenate([tables[run.key][name].to_numpy() for run in seed])
                for name in ("time", "event", "fold", "risk")
            ]
            found.append(fold_mean_concordance(*columns))
        return cls(risks=mean_of_models(risks), scales=scales, c_index=float(np.mean(found)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrediction:
    """What one model says.

    Attributes:
        fold, seed: of its fit.
        trained: whether it was fitted on this patient.
        risk: as the model gives it.
        standardised: in standard deviations from the mean of the model's out-of-fold risks.
        survival: at :data:`survbench.api.SURVIVAL_MONTHS`, or None.
        source: where the curve is from.
    """

    fold: int
    seed: int
    trained: bool
    risk: float
    standardised: float
    survival: Floats | None
    source: CurveSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The mean of some models.

    Attributes:
        risk: the mean of the standardised risks, over folds and then over seeds.
        percentile: the share of out-of-fold risks below it, in percent; equal ones count half.
        survival, low, high: the mean curve, and the lowest and highest model at each month; None without curves.
        models: how many.
    """

    risk: float
    percentile: float
    survival: Floats | None
    low: Floats | None
    high: Floats | None
    models: int

    @classmethod
    def of(cls, models: Sequence[ModelPrediction], reference: Reference) -> Self:
        """Return the mean of models, as the board takes it for an external cohort."""
        by_seed = [[np.array([m.standardised]) for m in models if m.seed == seed] for seed in _seeds(models)]
        risk = float(mean_of_models([mean_of_models(of_seed) for of_seed in by_seed])[0])
        curves = [m.survival for m in models if m.survival is not None]
        whole = np.stack(curves) if len(curves) == len(models) else None
        return cls(
            risk=risk,
            percentile=percentile(risk, reference.risks),
            survival=None if whole is None else whole.mean(axis=0),
            low=None if whole is None else whole.min(axis=0),
            high=None if whole is None else whole.max(axis=0),
            models=len(models),
        )

    def at(self, months: Sequence[int]) -> list[tuple[int, float, float, float]]:
        """Return month, mean survival, and the lowest and highest model; nothing without curves."""
        if self.survival is None or self.low is None or self.high is None:
            return []
        rows = [(month, int(np.flatnonzero(month == SURVIVAL_MONTHS)[0])) for month in months]
        return [(month, float(self.survival[n]), float(self.low[n]), float(self.high[n])) for month, n in rows]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        curve = None
        if self.survival is not None and self.low is not None and self.high is not None:
            curve = {
                "months": SURVIVAL_MONTHS.tolist(),
                "mean": self.survival.tolist(),
                "lowest_model": self.low.tolist(),
                "highest_model": self.high.tolist(),
            }
        return {"risk": self.risk, "percentile": self.percentile, "models": self.models, "survival": curve}


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What is known of whether a patient was among those that models were fitted on.

    Attributes:
        by_id: the fold that has a patient of this id, or None.
        by_content: the folds that have a patient with one of these images, or this row of features.
        of: which of the two was compared.
    """

    by_id: int | None = None
    by_content: tuple[int, ...] = ()
    of: str = "images"

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that may have tested the patient; the models of all other folds were fitted on the patient."""
        return self.by_content or (() if self.by_id is None else (self.by_id,))

    @property
    def why(self) -> str:
        """How the patient was recognised, in words."""
        if self.by_content:
            whose = "a patient of the study" if self.by_id is None else "the study's patient of the same id"
            return f"the {self.of} are those of {whose}"
        return "the study has a patient of this id, though with other images or none; ignore this if it is another"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPatient:
    """The prediction of one patient.

    Attributes:
        id: the patient's.
        by_model: what each model predicts.
        all_models: the mean of all models, as for an external cohort.
        honest: the mean of the models that were not fitted on the patient; None where none was, or all were.
        training: whether the patient is among the study's patients.
        missing: clinical values that are not known and that the method fills by its own rule.
        notes: findings that do not keep the patient from being predicted.
        mask: path of the predicted mask, or "".
        tumour_ml: its volume, or None.
    """

    id: str
    by_model: tuple[ModelPrediction, ...]
    all_models: Placed
    honest: Placed | None
    training: Training
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    mask: str = ""
    tumour_ml: float | None = None

    @property
    def warnings(self) -> list[str]:
        """What a reader must know of this patient, in sentences."""
        found = []
        trained = sorted({m.fold for m in self.by_model if m.trained})
        if trained:
            models = f"The {'models of folds' if len(trained) > 1 else 'model of fold'} {', '.join(map(str, trained))}"
            verb = "were" if len(trained) > 1 else "was"
            found.append(f"{models} {verb} fitted on this patient: {self.training.why}.")
            found.append(
                "No model is left that was not fitted on this patient, so the prediction is too sure of itself."
                if self.honest is None
                else f"The honest prediction is that of fold {', '.join(map(str, self.training.folds))}, which tested "
                f"this patient: risk {self.honest.risk:+.3f}, percentile {self.honest.percentile:.1f}."
            )
        if self.missing:
            found.append(
                f"Not known: {', '.join(self.missing)}. The method fills each in by its own rule, from its training "
                "patients."
            )
        return [*found, *self.notes]

    def to_json(self) -> dict[str, Any]:
        """Return the prediction as JSON."""
        return {
            "id": self.id,
            **self.all_models.to_json(),
            "out_of_fold": None if self.honest is None else self.honest.to_json(),
            "in_training": {"folds_tested_in": list(self.training.folds), "why": self.training.why}
            if self.training.folds
            else None,
            "missing": list(self.missing),
            "warnings": self.warnings,
            "mask": self.mask or None,
            "tumour_ml": self.tumour_ml,
            "by_model": [
                {
                    "fold": m.fold,
                    "seed": m.seed,
                    "fitted_on_this_patient": m.trained,
                    "risk": m.risk,
                    "standardised": m.standardised,
                    "survival": None if m.survival is None else m.survival.tolist(),
                    "curve": str(m.source),
                }
                for m in self.by_model
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """What predicts, in words and numbers, for whoever reads a prediction.

    Attributes:
        study: it was fitted in.
        entry: the method.
        reference: the out-of-fold risks.
        refit: whether one fit on all patients predicts in place of the fold models.
        models: how many models predict.
        verdicts: how many of the fold models have learned; None where that is not known.
        recognises: whether the study keeps by what a patient on whom models were fitted is recognised.
    """

    study: Study
    entry: Entry
    reference: Reference
    refit: bool
    models: int
    verdicts: Verdicts | None = None
    recognises: bool = True

    @property
    def c_index(self) -> float | None:
        """The C-index of the method in the study, or None where it is not known."""
        found = self.reference.c_index
        return None if np.isnan(found) else found

    @property
    def months(self) -> tuple[int, ...]:
        """The months at which survival is shown: up to the end of follow-up, beyond which nobody was observed."""
        return tuple(month for month in SHOWN_MONTHS if month <= self.study.cohort.longest_months)

    @property
    def beyond(self) -> str:
        """What is not shown because nobody was observed for so long, in a sentence, or ""."""
        longest = self.study.cohort.longest_months
        if longest >= SURVIVAL_MONTHS[-1]:
            return ""
        return f"The study's patients were followed for up to {longest:.0f} months: survival beyond is not shown."

    @property
    def caution(self) -> str:
        """What speaks against the models and their predictions, in sentences, or ""."""
        counted, found = self.verdicts, []
        if counted is not None and counted.learned != counted.fits:
            found.append(
                f"Of {counted.fits} fold models, {counted.not_learned} have not learned and {counted.over_fitted} are "
                f"over-fitted: their predictions say little. 'bench status {self.study.name}' shows which."
            )
        if not self.recognises:
            found.append(
                "Whether a patient is among those on whom the models were fitted cannot be checked: this study, such "
                "as a pack with pseudonyms, keeps nothing to compare. Of such a patient the prediction is too sure of "
                "itself."
            )
        return " ".join(found)

    @property
    def rule(self) -> str:
        """How the risk is made, in a sentence."""
        if self.refit:
            many = self.models > 1
            fits = f"Mean of {self.models} fits, of one seed each," if many else "One fit"
            inner = self.study.protocol.selection == "inner"
            chosen = (
                " Some of them were set aside to choose a checkpoint and to calibrate survival curves." if inner else ""
            )
            return (
                f"{fits} on all patients of the study.{chosen} The risk of {'each' if many else 'the fit'} is "
                "standardised by its risks of these patients. No patient was held out to test it, so nothing is known "
                "of how well it predicts."
            )
        return (
            f"Mean of {self.models} fold models; the risk of each is standardised by the mean and standard deviation "
            "of its own out-of-fold risks, as for an external cohort."
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        study = self.study
        return {
            "research_use_only": RESEARCH_ONLY,
            "method": self.entry.name,
            "title": self.entry.title,
            "study": study.name,
            "cohort": study.cohort.title,
            "endpoint": study.cohort.endpoint,
            "patients": study.cohort.patients,
            "events": study.cohort.events,
            "c_index": self.c_index,
            "refit": self.refit,
            "rule": self.rule,
            "caution": self.caution,
            "follow_up_months": study.cohort.longest_months,
            "range": f"lowest_model to highest_model is {RANGE}",
        }


def _seeds(models: Sequence[ModelPrediction]) -> list[int]:
    return sorted({m.seed for m in models})
