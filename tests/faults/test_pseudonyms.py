"""Patients' ids leave the output folder as pseudonyms where they are asked for: on the site and in MLflow."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from jobs import a_fit
from survbench.actions.build import board_if_unchanged, build_and_write
from survbench.datasets.ingest.pseudonyms import pseudonym
from survbench.errors import BenchError
from survbench.evaluation.pseudonyms import Pseudonyms, pseudonyms_of
from survbench.plan.protocol import splits_json, write_splits
from survbench.plan.study import read_study
from survbench.runs.record import RunRecord
from survbench.runs.store import Store
from survbench.tracking.mlflow_writer import track
from toy_site import fill
from toy_study import IDS

pytestmark = pytest.mark.faults

WORD = re.compile(rf"(?<![^\W_])({'|'.join(IDS)})(?![^\W_])")
"""An id, and not the beginning of a pseudonym."""
SHORT = Pseudonyms({"7": "Paa", "A": "Pbb", "P01": "Pcc", "P01-2": "Pdd", "a&b": "Pee"})


def named_in(folder: Path):
    """Return which files of a folder hold an id."""
    hits = set()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text = pd.read_parquet(path).to_csv()
        hits |= {path.name} if WORD.search(text) else set()
    return hits


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Return an output folder whose site and MLflow have pseudonyms, and the key."""
    home = tmp_path_factory.mktemp("shown")
    out, key = home / "out", home / "site.key"
    store, folder = Store(out), fill(out).parent
    error = {"type": "ValueError", "message": "patient P03 has no voxels in P03_pet.nii.gz", "traceback": ""}
    store.record_failure(a_fit("fails-0-0", method="fails"), RunRecord(status="failed", error=error), "reading P04\n")
    study = read_study(folder)
    write_splits(folder / "splits.json", study.protocol.folds)
    build_and_write(study, store)
    assert {"gallery.html", "splits.json", "fails.html"} <= named_in(folder / "site"), (
        "without the option ids are shown"
    )
    build_and_write(study, store, pseudonyms=key)
    track(study, store, out, pseudonyms=key)
    return out, study, key


def test_no_file_of_the_site_and_of_mlflow_holds_an_id(shown):
    out, study, _ = shown
    assert named_in(study.folder(out) / "site") == set()
    artifacts = list((out / "mlflow-artifacts").rglob("*"))
    assert {"predictions.parquet", "job.json", "log.txt", "splits.json", "gallery.html", "leaderboard.json"} <= {
        path.name for path in artifacts
    }
    assert named_in(out / "mlflow-artifacts") == set()
    assert not WORD.search((out / "mlflow.db").read_bytes().decode("latin-1"))


def test_pseudonyms_are_those_of_the_key_on_the_site_and_in_mlflow_alike(shown):
    out, study, key = shown
    secret = bytes.fromhex(key.read_text())
    expected = {pseudonym(i, secret) for i in IDS}
    (predictions,) = {
        frozenset(pd.concat(map(pd.read_parquet, tables))["id"])
        for tables in [sorted((out / "mlflow-artifacts").rglob("predictions.parquet"))]
    }
    assert predictions == expected
    site = study.folder(out) / "site"
    folds = json.loads((site / "data" / "splits.json").read_text())["folds"]
    assert {i for fold in folds for i in fold} == expected
    assert folds == [sorted(fold) for fold in folds], "the order of the ids is not kept"
    assert any(name in (site / "gallery.html").read_text() for name in expected)
    assert key.stat().st_mode & 0o077 == 0


def test_the_study_keeps_the_ids_and_the_numbers(shown):
    out, study, _ = shown
    assert read_study(study.folder(out)).protocol.folds == study.protocol.folds
    stored = pd.read_parquet(Store(out).folder("sur-hs-0-0") / "predictions.parquet").set_index("id")["risk"]
    copies = [pd.read_parquet(p) for p in (out / "mlflow-artifacts").rglob("predictions.parquet")]
    assert any(sorted(copy["risk"]) == sorted(stored) for copy in copies)


def test_another_key_or_none_makes_site_and_runs_anew(shown, tmp_path):
    out, study, key = shown
    store = Store(out)
    known = {"checked": frozenset(study.run_keys())}
    assert board_if_unchanged(study, store, **known, pseudonyms=key) is not None
    assert board_if_unchanged(study, store, **known) is None
    assert board_if_unchanged(study, store, **known, pseudonyms=tmp_path / "other.key") is None
    assert track(study, store, out, pseudonyms=key).new == 0


def test_the_key_may_not_lie_in_what_is_passed_on(shown):
    out, study, _ = shown
    with pytest.raises(BenchError, match="is in .*out. Keep it elsewhere"):
        pseudonyms_of(study, Store(out), out / "site.key")
    assert pseudonyms_of(study, Store(out), None) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P01: no file P01_pet.nii.gz, XP01, P012", "Pcc: no file Pcc_pet.nii.gz, XP01, P012"),
        ("P01-2 and a&amp;b", "Pdd and Pee"),
        ("7 of 17 patients, patient 7, id='7', table A", "7 of 17 patients, patient Paa, id='Paa', table A"),
    ],
)
def test_ids_in_texts_are_replaced_and_other_words_are_not(text, expected):
    assert SHORT.text(text) == expected


def test_record_numbers_are_replaced_anywhere_but_in_longer_numbers():
    named = Pseudonyms({"30012345": "Paa", "30012346": "Pbb"})
    text = "see 30012345, 30012346.0 and 30012345_ct.nii, not 130012345, 0.30012345 or 30012345.25; 30012346."
    assert named.text(text) == "see Paa, Pbb.0 and Paa_ct.nii, not 130012345, 0.30012345 or 30012345.25; Pbb."
    assert named.json({"note": "30012345,30012346", "n": 30012345}) == {"note": "Paa,Pbb", "n": 30012345}


def test_ids_in_json_are_replaced_as_values_and_as_keys():
    raw = {"ids": ["7", "A", "P01"], "by": {"7": 7}, "text": "P01 is out", "n": 7, "other": ["7", "x"]}
    assert SHORT.json(raw) == {
        "ids": ["Paa", "Pbb", "Pcc"],
        "by": {"Paa": 7},
        "text": "Pcc is out",
        "n": 7,
        "other": ["Paa", "x"],
    }


def test_splits_with_pseudonyms_have_a_fingerprint_of_their_own(tmp_path):
    path = tmp_path / "splits.json"
    write_splits(path, [["7", "P01"], ["A"]])
    copied = json.loads(SHORT.content(path))
    assert copied == splits_json([["Paa", "Pcc"], ["Pbb"]])
