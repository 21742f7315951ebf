"""A method's risks in the format of the HECKTOR challenge, and its score beside the board's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from survbench.errors import BenchError, UnknownNameError
from survbench.evaluation.gather import gather
from survbench.evaluation.sample import fold_concordance
from survbench.io.csv_text import csv_text
from survbench.io.files import write_text
from survbench.plan.study import Study
from survbench.runs.store import Store
from survbench.statistics.metrics import concordance_index

HEADER = ("PatientID", "Prediction")
"""Columns of a submission to task 2 of HECKTOR 2022: a continuous prediction, higher for an earlier relapse."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        patients: number of patients.
        score: C of the challenge: Harrell's, over all patients at once.
        board: C of the board: the mean over seeds and folds.
        external: whether the patients are of the external cohort; otherwise the risks are out-of-fold.
    """

    patients: int
    score: float
    board: float
    external: bool


def export_risks(study: Study, store: Store, name: str, target: Path) -> Exported:
    """Write the risks of the external cohort, or out-of-fold ones if there is none, as the mean over seeds.

    Args:
        study: the study.
        store: its runs.
        name: a row of its board.
        target: the CSV file.

    Raises:
        UnknownNameError: the study has no such row.
        BenchError: the row is not complete, or has no risks.
    """
    results = gather(study, store)
    if name not in results.methods:
        raise UnknownNameError("row of this study", name, results.methods, see="'bench status'")
    method = results.methods[name]
    external = method.external is not None
    risk, outcomes = (method.external, results.external) if external else (method.risk, results.outcomes)
    if risk is None or outcomes is None:
        raise BenchError(f"{name} has no risks in study {study.name}. {method.reason} 'bench status' says what failed.")
    prediction = risk.mean(axis=0)
    write_text(target, csv_text(HEADER, zip(outcomes.ids, prediction.tolist(), strict=True), rounded=False))
    return Exported(
        patients=len(outcomes.ids),
        score=concordance_index(outcomes.time, outcomes.event, prediction).value,
        board=float(np.mean(fold_concordance(outcomes, risk))),
        external=external,
    )
