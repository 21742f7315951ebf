"""Features of whole cohorts: the card's set, the cache, patients that fail, the warning of a run."""

from __future__ import annotations

import csv
import logging

import numpy as np
import pandas as pd
import pytest
from cohort_folder import CARD, write_cohort, write_image
from survbench.actions.extract import extract_cohort, write_table
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.datasets.cohorts.opened import open_cohorts
from survbench.datasets.cohorts.validate import validate_named
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.plan.profile import load_profile

FIXED = CARD.replace("licence:", "radiomics: paper-fixed-width\nlicence:")
MR = FIXED.replace("modality: PET", "modality: MR")


def extracted(cohort, out, *, data=None, profile="smoke", set_name=None, skip_bad=False):
    return extract_cohort(
        str(cohort),
        data=data,
        profile=load_profile(profile),
        set_name=set_name,
        out=out,
        workers=2,
        skip_bad=skip_bad,
        watcher=Silent(),
    )


def test_a_set_by_name_goes_before_the_cards_and_each_has_its_own_cache(tmp_path):
    folder = write_cohort(tmp_path / "toy", 3, card=FIXED)
    by_card = extracted(folder, tmp_path / "out")
    assert by_card.feature_set.name == "paper-fixed-width"
    assert by_card.cached == 0
    named = extracted(folder, tmp_path / "out", set_name="paper")
    assert named.cached == 0, "other grey levels are other features"
    assert by_card.extractions["P00"] != named.extractions["P00"]
    again = extracted(folder, tmp_path / "out")
    assert again.cached == 3
    assert again.extractions == by_card.extractions
    assert list(again.extractions) == ["P00", "P01", "P02"]


def test_a_patient_that_fails_is_named_and_the_rest_goes_on(tmp_path):
    folder = write_cohort(tmp_path / "toy", 4)
    write_image(folder / "images" / "P01_mask.nii.gz", np.zeros((16, 16, 16), dtype=np.uint8))
    found = extracted(folder, tmp_path / "out")
    assert list(found.extractions) == ["P00", "P02", "P03"]
    assert list(found.failed) == ["P01"]
    assert found.failed["P01"] == "The mask is empty."


def test_a_cohort_of_which_nothing_can_be_extracted_is_an_error(tmp_path):
    folder = write_cohort(tmp_path / "toy", 2)
    for name in ("P00", "P01"):
        write_image(folder / "images" / f"{name}_mask.nii.gz", np.zeros((16, 16, 16), dtype=np.uint8))
    with pytest.raises(CohortError, match="No patient of toy could be extracted"):
        extracted(folder, tmp_path / "out")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_table_has_ids_and_features_and_the_report_lies_beside_it(tmp_path, suffix):
    found = extracted(write_cohort(tmp_path / "toy", 3), tmp_path / "out")
    beside = write_table(found, tmp_path / "new" / f"toy{suffix}")
    path = tmp_path / "new" / f"toy{suffix}"
    table = pd.read_csv(path, float_precision="round_trip") if suffix == ".csv" else pd.read_parquet(path)
    assert list(table.columns) == ["id", *found.feature_set.names(["pet", "ct"])]
    assert list(table["id"]) == ["P00", "P01", "P02"]
    assert table.iloc[1, 1:].to_dict() == dict(found.extractions["P01"].values)
    with beside.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert beside.name == "toy-report.csv"
    assert [(r["finding"], r["subject"], r["feature"]) for r in rows] == [
        (f.kind, f.subject, f.feature) for f in found.findings
    ]


CANNOT_HAVE = [
    (MR, "there is no width for MR"),
    (FIXED.replace("fixed-width", "fixed-with"), "Unknown feature set 'paper-fixed-with'. Did you mean 'paper-fixed-w"),
]


@pytest.mark.parametrize(("card", "message"), [*CANNOT_HAVE, (CARD.replace("mask:", "# mask:"), "has no mask")])
def test_what_a_cohort_cannot_have_is_said(tmp_path, card, message):
    with pytest.raises(BenchError, match=message):
        extracted(write_cohort(tmp_path / "toy", 2, card=card), tmp_path / "out")


@pytest.mark.parametrize(("card", "message"), CANNOT_HAVE)
def test_validate_says_it_before_a_run(tmp_path, card, message):
    findings = validate_named(str(write_cohort(tmp_path / "toy", 4, card=card))).findings
    assert [message in p.what for p in findings if "'radiomics'" in p.remedy] == [True]


def test_a_cohort_and_its_external_one_have_the_same_set(tmp_path):
    folders = [write_cohort(tmp_path / name, 4, card=card) for name, card in (("a", CARD), ("b", FIXED))]
    cohorts = open_cohorts([(str(f), None) for f in folders], profile=load_profile("smoke"))
    with pytest.raises(BenchError, match="Name the same set on both cards"):
        cohorts.ask_for_radiomics()
    assert cohorts.ask_for_radiomics("pyradiomics").name == "pyradiomics"


def test_a_run_takes_the_cards_set_and_warns_in_one_line(tmp_path, caplog):
    """The toy CT is flat but for noise, so that grey levels of 25 HU leave few of them."""
    folder = write_cohort(tmp_path / "toy", 12, card=FIXED)
    request = Request(
        profile=load_profile("smoke"), methods="radiomics-lasso-cox", cohort=str(folder), out=tmp_path / "out"
    )
    with caplog.at_level(logging.WARNING, logger="survbench"):
        result = run_study(request, Silent())
    assert not result.failed
    lines = [r.getMessage() for r in caplog.records if "radiomics" in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("radiomics 'paper-fixed-width' of toy: ")
    assert "textures of images with fewer than 8 grey levels" in lines[0]
    assert lines[0].endswith("'bench cohort features' lists them")
    assert extracted(folder, tmp_path / "out").cached == 12, "the run's features are the verb's"
