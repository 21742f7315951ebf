"""``bench cohort``: a card, its check, and features as a table."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cohort_folder import write_cohort, write_image
from survbench.datasets.checks.masks import EmptyMask
from survbench.datasets.checks.table import MissingColumn
from survbench.datasets.cohorts.validate import Report


def test_a_card_is_drafted_and_never_replaced_unasked(bench, tmp_path):
    folder = write_cohort(tmp_path / "toy", 4)
    (table,) = folder.glob("*.csv")
    card = folder / "cohort.yaml"
    mine = card.read_text()
    refused = bench("cohort", "init", folder, "--table", table)
    assert (refused.returncode, refused.stderr) == (2, f"Error: {card} exists. Give --force to replace it.\n")
    ended = bench("cohort", "init", folder, "--table", table, "--force")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"Wrote {card}. Check every GUESS in it, ")
    assert f"then run: bench cohort check {folder}\n" in ended.stdout
    assert card.read_text() != mine


def test_what_a_draft_leaves_open_or_out_is_printed_and_refused_until_it_is_filled_in(bench, tmp_path):
    rows = [f"P{n:02d},{100 + 7 * n},{'AB'[n % 2]},{n % 3},same" for n in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["id,days,outcome,grade,note", *rows]))
    ended = bench("cohort", "init", tmp_path, "--table", tmp_path / "t.csv")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0].startswith(
        f"Wrote {tmp_path / 'cohort.yaml'}. Fill in every TODO and check every GUESS in it, "
    )
    assert "TODO      observed, censored: 'A' 6 of 12 or 'B' 6 of 12 had the event" in ended.stdout
    assert "Left out  note: one value only" in ended.stdout
    for verb in (("cohort", "check", tmp_path), ("run", "--cohort", tmp_path, "--out", tmp_path / "out")):
        refused = bench(*verb)
        assert refused.returncode == 2
        assert "endpoint.observed (line 6), endpoint.censored (line 6) are TODO" in refused.stderr


def test_a_cohort_without_problems_says_so(bench, monkeypatch):
    report = Report(
        findings=(),
        ignored=(),
        passed=(MissingColumn,),
        not_applicable=(EmptyMask,),
        judged=12,
        source=None,
        registrations={},
    )
    monkeypatch.setattr("survbench.datasets.cohorts.validate.validate_named", lambda *_, **__: report)
    ended = bench("cohort", "check", "phantom")
    assert (ended.returncode, ended.stdout) == (0, "phantom: no problems; 1 checks passed, 1 do not apply.\n")
    told = json.loads(bench("cohort", "check", "phantom", "--json").stdout)
    assert (told["passed"], told["not_applicable"]) == (["SB101"], ["SB501"])


def test_all_problems_of_a_cohort_are_told_and_end_with_1(bench, tmp_path):
    folder = write_cohort(tmp_path / "toy", 12)
    for name in ("P00_pet", "P01_ct"):
        (folder / "images" / f"{name}.nii.gz").unlink()
    ended = bench("cohort", "check", folder)
    assert ended.returncode == 1
    told = json.loads(bench("cohort", "check", folder, "--json").stdout)
    assert ended.stdout.startswith("SB401 error: Files are missing. 2 patients: P00 (images/P00_pet.nii.gz;")
    assert f"{folder}: 1 error, " in ended.stdout
    assert [p["subject"] for p in told["findings"] if p["severity"] == "error"] == ["P00", "P01"]
    every = bench("cohort", "check", folder, "--verbose").stdout
    assert "    P01: images/P01_ct.nii.gz" in every
    assert "Not found       SB101  " in every


def test_a_finding_that_is_ignored_is_set_apart(bench, tmp_path):
    folder = write_cohort(tmp_path / "toy", 4)
    ended = bench("cohort", "check", folder, "--ignore", "SB206")
    assert "SB206 warning" not in ended.stdout
    assert "Ignored   SB206: There are only 2 events in 4 patients." in ended.stdout
    refused = bench("cohort", "check", folder, "--ignore", "SB401")
    assert refused.returncode == 2
    assert refused.stderr.startswith("Error: SB401 (A file is missing) cannot be ignored")
    assert "Did you mean 'SB206'" in bench("cohort", "check", folder, "--ignore", "SB2066").stderr


def test_features_of_a_cohort_are_written_and_a_patient_that_fails_is_named(process, tmp_path):
    folder = write_cohort(tmp_path / "toy", 3)
    write_image(folder / "images" / "P01_mask.nii.gz", np.zeros((16, 16, 16), dtype=np.uint8))
    arguments = ("cohort", "features", folder, "--profile", "smoke", "--out", tmp_path / "out")
    ended = process(*arguments, "--to", "toy.csv", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert "Features  paper: 2 patients x 1456 features, 32 grey levels; 0 from the cache" in ended.stdout
    assert "Failed    P01: " in ended.stdout
    assert (tmp_path / "toy-report.csv").read_text().startswith("finding,subject,feature,detail\n")
    accepted = process(*arguments, "--skip-bad", "--json", cwd=tmp_path)
    assert accepted.returncode == 0
    told = json.loads(accepted.stdout)
    assert (told["patients"], told["cached"], list(told["failed"])) == (2, 2, ["P01"])
    assert (tmp_path / told["table"]).name == "toy-paper.parquet"
    (folder / "images" / "P01_mask.nii.gz").unlink()
    assert process(*arguments).returncode == 2, "what can be seen before preparing is an error, as in bench run"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "fantom"], "Error: Unknown cohort 'fantom'. Did you mean 'phantom'"),
        (["features", "phantom", "--set", "pyradiomic"], "Error: Unknown feature set 'pyradiomic'. Did you mean"),
        (["features", "phantom", "--to", "a.xlsx"], "Error: --to a.xlsx: "),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_usage_ends_with_2_and_says_what_to_do(bench, arguments, message):
    ended = bench("cohort", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.startswith(message)


def test_the_example_becomes_a_cohort_by_its_draft(bench, tmp_path):
    made = bench("cohort", "example", tmp_path / "patients")
    assert made.returncode == 0, made.stderr
    for hospital in ("hospital-a", "hospital-b"):
        folder = tmp_path / "patients" / hospital
        drafted = bench("cohort", "init", folder, "--table", "clinical.csv")
        assert "TODO" not in drafted.stdout
        assert bench("cohort", "check", folder).returncode == 0
    again = bench("cohort", "example", tmp_path / "patients")
    assert (again.returncode, "exists" in again.stderr) == (2, True)
