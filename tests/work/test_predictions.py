"""What methods predict is checked before it is stored."""

from __future__ import annotations

import numpy as np
import pytest
from survbench.work.predictions import BadPredictionError, predict


class Says:
    def __init__(self, risk):
        self.risk = risk

    def predict_risk(self, cohort):
        return self.risk


@pytest.mark.parametrize(
    ("risk", "said"),
    [
        ([1 + 1j, 2], "values of type complex128"),
        (["1", "2"], "values of type <U1"),
        (np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"), "values of type datetime64"),
        (np.ma.masked_array([1.0, 2.0], mask=[True, False]), "masked values"),
    ],
)
def test_what_numpy_would_turn_into_a_number_in_silence_is_refused(risk, said):
    with pytest.raises(BadPredictionError, match=f"predict_risk gave {said}"):
        predict(Says(risk), range(2), ["risk"])


@pytest.mark.parametrize("risk", [[1, 2], (True, False), np.float16([1, 2]), np.array([1, 2.5], dtype=object)])
def test_whatever_else_holds_a_number_for_each_patient_is_taken(risk):
    assert predict(Says(risk), range(2), ["risk"]).risk.tolist() == [float(each) for each in risk]
