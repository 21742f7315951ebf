"""Predictions of new patients as files: JSON and CSV of all, written patient by patient, and a report of each."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from survbench.errors import BenchError
from survbench.evaluation.new_patient import PREDICTED_MASK, SHOWN_MONTHS, NewPatient, Predictor
from survbench.io.csv_text import csv_text
from survbench.io.files import write_text
from survbench.leaderboard.site.prediction_page import prediction_page

CSV, JSON = "predictions.csv", "predictions.json"
REPORT = ".html"
HEADER = (
    "id",
    "risk",
    "percentile",
    "out_of_fold_risk",
    "out_of_fold_percentile",
    *(f"survival_{month}_months" for month in SHOWN_MONTHS),
    "tumour_ml",
    "mask",
    "problem",
    "research_use_only",
)


def refuse_to_replace(folder: Path, ids: Iterable[str], *, given: Collection[Path]) -> None:
    """Refuse a folder in which files of somebody else would be replaced: it may hold files of an earlier call.

    Args:
        folder: of the predictions.
        ids: of the patients.
        given: files, and folders of files, from which the patients were read, resolved.

    Raises:
        BenchError: a file would be replaced that is given, lies among what is given, or lies in a folder without
            predictions.
    """
    earlier = _is_ours(folder / JSON) and folder.resolve() not in given
    names = (CSV, JSON, *(f"{name}{ending}" for name in ids for ending in (REPORT, PREDICTED_MASK)))
    for path in (folder / name for name in names):
        if path.exists() and not (earlier and path.resolve() not in given):
            raise BenchError(
                f"{path} exists and is not of an earlier 'bench predict', or lies among the files of the patients, so "
                "it is not replaced. Name another folder with --to."
            )


def _is_ours(path: Path) -> bool:
    """Say whether a file is the JSON of an earlier call."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return b'"research_use_only"' in file.read(100)


class PredictionFiles:
    """Writes predictions into a folder as they come, and keeps none of them.

    Args:
        folder: is made if it is not there; files of an earlier call are replaced, see :func:`refuse_to_replace`.
        predictor: what predicts.
    """

    def __init__(self, folder: Path, predictor: Predictor) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._predictor = predictor
        self._count = 0

    def __enter__(self) -> Self:
        """Open the files."""
        self._csv: IO[str] = (self.folder / CSV).open("w", encoding="utf-8", newline="")
        self._json: IO[str] = (self.folder / JSON).open("w", encoding="utf-8")
        self._csv.write(csv_text(HEADER, []))
        head = json.dumps(self._predictor.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        self._json.write(head.removesuffix("\n}") + ',\n "patients": [')
        self._json.flush()  # the next call recognises the file of a call that was killed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files. After an error they hold the patients until then, and ``complete`` is false."""
        self._json.write(f'\n ],\n "complete": {json.dumps(error is None)}\n}}\n')
        self._json.close()
        self._csv.close()

    def predicted(self, patient: NewPatient) -> Path:
        """Add a patient, and return the path of the report."""
        placed, honest = patient.all_models, patient.honest
        curve = {month: mean for month, mean, _, _ in placed.at(self._predictor.months)}
        self._row(
            patient.id,
            placed.risk,
            placed.percentile,
            None if honest is None else honest.risk,
            None if honest is None else honest.percentile,
            *(curve.get(month) for month in SHOWN_MONTHS),
            patient.tumour_ml,
            patient.mask,
            " ".join(patient.warnings),
        )
        self._add(patient.to_json())
        report = self.folder / f"{patient.id}{REPORT}"
        write_text(report, prediction_page(patient, self._predictor))
        return report

    def failed(self, name: str, reasons: tuple[str, ...]) -> None:
        """Add a patient who cannot be predicted."""
        self._row(name, *[None] * (len(HEADER) - 3), " ".join(reasons))
        self._add({"id": name, "problem": list(reasons)})

    def _row(self, *cells: object) -> None:
        row = csv_text(HEADER, [(*cells, "research use only")], rounded=False)
        self._csv.write(row.partition("\n")[2])
        self._csv.flush()

    def _add(self, patient: dict[str, Any]) -> None:
        text = json.dumps(patient, ensure_ascii=False, allow_nan=False)
        self._json.write(f"{',' if self._count else ''}\n  {text}")
        self._json.flush()
        self._count += 1
