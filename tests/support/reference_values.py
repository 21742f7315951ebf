"""Values that other programs computed, and the two data sets of scikit-survival that R computed them on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).parents[1] / "reference"
"""The folder of the values; its README.md says what each file is, where it is from, and under which licence."""
DATA_SETS = ("veteran", "gbsg2")


def stored(file):
    """Return the content of a JSON file of tests/reference."""
    return json.loads((REFERENCE / file).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class DataSet:
    """Survival data without missing values: times in days, events, and one numeric column per feature."""

    time: np.ndarray
    event: np.ndarray
    columns: dict[str, np.ndarray]

    @property
    def x(self):
        return np.column_stack(list(self.columns.values()))


def data_set(name):
    """Return ``veteran`` (137 patients, 9 censored, many ties) or ``gbsg2`` (686, 387 censored), as R got them."""
    from sksurv.datasets import load_gbsg2, load_veterans_lung_cancer

    if name == "veteran":
        table, outcome = load_veterans_lung_cancer()
        columns = {
            "trt": (table["Treatment"] == "test") + 1,
            "karno": table["Karnofsky_score"],
            "diagtime": table["Months_from_Diagnosis"],
            "age": table["Age_in_years"],
            "prior": (table["Prior_therapy"] == "yes") * 10,
            "small": table["Celltype"] == "smallcell",
            "adeno": table["Celltype"] == "adeno",
            "large": table["Celltype"] == "large",
        }
        time, event = outcome["Survival_in_days"], outcome["Status"]
    else:
        table, outcome = load_gbsg2()
        columns = {
            "hormones": table["horTh"] == "yes",
            "post": table["menostat"] == "Post",
            **{name: table[name] for name in ("age", "tsize", "pnodes", "progrec", "estrec")},
            "grade2": table["tgrade"] == "II",
            "grade3": table["tgrade"] == "III",
        }
        time, event = outcome["time"], outcome["cens"]
    numbers = {key: np.asarray(column, dtype=float) for key, column in columns.items()}
    return DataSet(time.astype(float), event.astype(bool), numbers)


def from_r(name):
    """Return R's values of a data set, the data, and the four risks that R's concordances are of, by name."""
    values, data = stored("r.json")[name], data_set(name)
    assert values["features"] == list(data.columns), "r.json was made of other columns; run tests/reference/remake_r.py"
    linear = (data.x - data.x.mean(axis=0)) @ values["cox_efron"]["coef"]
    risks = {
        "cox_lp": linear,
        "rounded_lp": linear.round(),
        "first_column": data.x[:, 0],
        "last_column": data.x[:, -1],
    }
    return values, data, risks
