"""Which rows of the related work run on which kind of cohort, and why the others are left out."""

from __future__ import annotations

import json

import pytest
from outside_data import outside
from survbench.plan.registry import registry

METHODS = "@related,@successors,@simple,combat-radiomics-lasso-cox"
NO_MASK = "needs mask: the cohort has no tumour masks"
ONE_CENTRE = dict.fromkeys(
    ("radiomics-transfer-cox", "combat-radiomics-lasso-cox"),
    "needs centres: all patients are of one centre, or the card names no column of centres",
)
NO_CLINICAL = "needs clinical: the card gives no clinical column to methods (model: true)"
SKIPPED = {
    "phantom": ONE_CENTRE,
    "sts51": ONE_CENTRE,
    "hn_petct": {**ONE_CENTRE, "clinical-volume-cox": NO_MASK, "clinical-volume-mtlr": NO_MASK},
    "nsclc_pet": {
        **ONE_CENTRE,
        "clinical-cox": NO_CLINICAL,
        "clinical-matsuo-dnn": NO_CLINICAL,
        "clinical-volume-cox": NO_MASK,
        "clinical-volume-mtlr": NO_MASK,
    },
}
"""By cohort, the methods that cannot run there; all others must be ``ok``."""


@pytest.mark.slow
@pytest.mark.parametrize("cohort", SKIPPED)
def test_each_row_runs_or_is_left_out_for_its_reason(process, tmp_path, cohort):
    data = [] if cohort == "phantom" else ["--data", outside(cohort)]
    options = ["--profile", "smoke", "--cohort", cohort, *data, "--out", tmp_path, "--json"]
    ended = process("run", "--methods", METHODS, *options)
    assert ended.returncode == 0, ended.stderr
    found = {row["method"]: (row["status"], row["reason"]) for row in json.loads(ended.stdout)["rows"]}
    assert found == {
        info.name: ("skipped", SKIPPED[cohort][info.name]) if info.name in SKIPPED[cohort] else ("ok", "")
        for info in registry().select(METHODS)
    }
