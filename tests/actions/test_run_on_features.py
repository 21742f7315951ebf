"""Runs on cohorts that are tables of features."""

from __future__ import annotations

import pytest
from cohort_folder import CARD as IMAGES
from cohort_folder import write_cohort
from survbench.actions.planning import dry_run
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.verify import verify
from survbench.actions.watcher import Silent
from survbench.cohort import FeatureTable
from survbench.errors import BenchError
from survbench.features.stored_table import read_table, write_table
from survbench.findings import CohortError
from survbench.plan.profile import load_profile
from table_cohort import CARD, changed, table_rows, write_table_cohort

SMOKE = load_profile("smoke")


@pytest.fixture
def rows():
    return table_rows()


def request_for(folder, out, methods, **more):
    return Request(profile=SMOKE, cohort=str(folder), methods=methods, out=out, **more)


def test_feature_based_methods_run_and_the_others_say_why_not(tmp_path, rows):
    folder = write_table_cohort(tmp_path / "toy", rows)
    other = write_table_cohort(tmp_path / "other", table_rows(16, seed=1), card=CARD.replace("toy-", "other-"))
    methods = "radiomics-lasso-cox,clinical-cox,random,volume,deepmts,deepfeat-rsf"
    result = run_study(request_for(folder, tmp_path / "out", methods, external=str(other)), Silent())
    board = {row.method: row for row in result.board.rows}
    assert not result.failed
    assert {name for name, row in board.items() if row.status == "ok"} == {
        "radiomics-lasso-cox", "clinical-cox", "random",
    }  # fmt: skip
    assert board["radiomics-lasso-cox"].external_c_index > 0.5
    skipped = {entry.name: entry.skipped for entry in result.study.entries if entry.skipped}
    assert skipped["volume"] == "needs mask: the cohort has no tumour masks"
    assert skipped["deepmts"].startswith("needs images: the cohort has no images")
    assert skipped["deepfeat-rsf"].startswith("its upstream method deepmts needs images")


def test_methods_that_need_two_centres_run_on_a_cohort_of_two(tmp_path, rows):
    names = {"radiomics-transfer-cox", "combat-radiomics-cox", "combat-radiomics-icare"}
    of_two = changed(rows, hospital=lambda n, _: "NS"[n // 2 % 2])
    card = CARD + "centre: hospital\n"
    folder = write_table_cohort(tmp_path / "toy", of_two, card=card)
    result = run_study(request_for(folder, tmp_path / "out", ",".join(names)), Silent())
    assert {row.method: row.status for row in result.board.rows} == dict.fromkeys(names, "ok")
    alone = write_table_cohort(tmp_path / "alone", changed(rows, hospital=lambda *_: "N"), card=card)
    entries = dry_run(request_for(alone, tmp_path / "other", ",".join(names))).study.entries
    assert all("centre" in entry.skipped for entry in entries)


def test_a_changed_value_changes_the_jobs_that_see_it_and_the_study(tmp_path, rows):
    def plan(cells):
        request = request_for(write_table_cohort(tmp_path / "toy", cells), tmp_path, "radiomics-lasso-cox,clinical-cox")
        planned = dry_run(request)
        return planned.study.name, {j.key: j.method for j in planned.plan.jobs}

    name, before = plan(rows)
    rows[1][5] = "9.5"
    changed, after = plan(rows)
    assert changed != name
    assert {before[key] for key in before.keys() & after.keys()} == {"clinical-cox"}


def test_the_same_patient_twice_is_refused(tmp_path, rows):
    folder = write_table_cohort(tmp_path / "toy", [*rows, ["P99", *rows[1][1:]]])
    with pytest.raises(CohortError, match=r"Another patient has the same features. P99 \(as P00\)"):
        dry_run(request_for(folder, tmp_path, "random"))


def test_an_external_table_needs_the_same_features(tmp_path, rows):
    folder = write_table_cohort(tmp_path / "toy", rows)
    card = CARD.replace('["f*", volume]', '["f*"]')
    other = write_table_cohort(tmp_path / "other", table_rows(16, seed=1), card=card)
    with pytest.raises(BenchError, match=r"give methods different features, 1 in only one of them \(volume\)"):
        dry_run(request_for(folder, tmp_path, "radiomics-lasso-cox", external=str(other)))


def test_where_there_are_images_too_the_table_goes_before_radiomics_of_them(tmp_path):
    card = IMAGES.replace("clinical:", "features: {table: features.csv}\nclinical:")
    folder = write_cohort(tmp_path / "toy", 24, card=card)
    rows = [["patient", "texture", "size"], *([f"P{n:02d}", str(n * 7 % 24), str(n * 5 % 11)] for n in range(24))]
    (folder / "features.csv").write_text("\n".join(",".join(row) for row in rows))
    result = run_study(request_for(folder, tmp_path / "out", "radiomics-lasso-cox,tlg"), Silent())
    assert {row.status for row in result.board.rows} == {"ok"}
    (stored,) = (tmp_path / "out/cohorts").glob("*/features.npz")
    assert read_table(stored).features.names == ("texture", "size")
    assert not (tmp_path / "out/cache/radiomics").exists()


def test_features_that_were_changed_after_they_were_written_are_a_difference(tmp_path, rows):
    folder = write_table_cohort(tmp_path / "toy", rows)
    run_study(request_for(folder, tmp_path / "out", "clinical-cox"), Silent())
    assert not verify(tmp_path / "out").differences
    (path,) = (tmp_path / "out/cohorts").glob("*/features.npz")
    held = read_table(path)
    values = held.features.values.copy()
    values[3, 2] += 1e-9
    write_table(path, [*held.places], FeatureTable(held.features.names, values))
    assert [difference.path for difference in verify(tmp_path / "out").differences] == [path]
