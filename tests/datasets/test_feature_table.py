"""Cohorts that are tables of features: what is read, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from survbench.datasets.cards.card import parse_card, read_card
from survbench.datasets.checks.catalogue import of_cohort
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.drafting.draft import draft_card
from survbench.datasets.readers.folder import inspect_cohort
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.plan.profile import load_profile
from table_cohort import CARD, FEATURES, table_rows, write_table_cohort

SMOKE = load_profile("smoke")


@pytest.fixture
def rows():
    return table_rows()


def inspect(folder):
    found = inspect_cohort(read_card(folder / "cohort.yaml"), folder)
    return replace(found, findings=(*found.findings, *of_cohort(found.source)))


def problems(folder):
    return {(p.subject, p.what) for p in validate_named(str(folder)).findings if p.severity == "error"}


def column(rows, name, values):
    """Return rows with one more column."""
    return [[*row, cell] for row, cell in zip(rows, [name, *values], strict=True)]


# --- reading


def test_the_declared_columns_become_features_in_the_order_of_the_patients(tmp_path, rows):
    rows[3][5] = "NA"
    cohort = inspect(write_table_cohort(tmp_path, [rows[0], *reversed(rows[1:])])).source.cohort
    assert cohort.features.names == FEATURES
    assert cohort.ids == tuple(f"P{n:02d}" for n in range(24))
    expected = np.array([[np.nan if c == "NA" else float(c) for c in row[4:]] for row in rows[1:]])
    assert np.array_equal(cohort.features.values, expected, equal_nan=True)
    assert np.isnan(expected[2, 1])


@pytest.mark.parametrize("kind", ["features.csv.gz", "features.tsv", "features.parquet"])
def test_features_of_a_table_of_their_own_are_joined_by_id(tmp_path, rows, kind):
    alone = write_table_cohort(tmp_path / "alone", rows)
    card = CARD.replace("{columns:", f"{{table: {kind}, id: who, columns:")
    folder = write_table_cohort(tmp_path / "apart", [row[:4] for row in rows], card=card)
    frame = pd.DataFrame([[r[0], *map(float, r[4:])] for r in reversed(rows[1:])], columns=["who", *FEATURES])
    if kind.endswith(".parquet"):
        frame.to_parquet(folder / kind)
    else:
        frame.to_csv(folder / kind, index=False, sep="\t" if kind.endswith(".tsv") else ",")
    found, expected = inspect(folder), inspect(alone)
    assert [f.code for f in found.findings] == ["SB206"]
    assert found.source.cohort.ids == expected.source.cohort.ids
    assert np.array_equal(found.source.cohort.features.values, expected.source.cohort.features.values)


def test_rows_are_numbered_where_the_table_has_no_ids(tmp_path, rows):
    card = CARD.replace("id: patient", "id: row-number").replace("clinical:", "patients: {without: ['3']}\nclinical:")
    cohort = inspect(write_table_cohort(tmp_path, [row[1:] for row in rows], card=card)).source.cohort
    assert set(cohort.ids) == {str(n) for n in range(24) if n != 3}
    tenth = cohort.features.values[cohort.ids.index("10")]
    assert tenth == pytest.approx([float(c) for c in rows[11][4:]])
    with pytest.raises(BenchError, match="cannot join"):
        parse_card(card.replace("{columns:", "{table: other.csv, columns:"), source="card")


def test_the_card_says_which_rows_are_the_cohort(tmp_path, rows):
    rows = column(rows, "hospital", ["A", "B"] * 12)
    rows[2][1] = "unknown"  # of hospital B: not a patient of the cohort, so not a problem of it
    card = CARD.replace("clinical:", "patients: {where: {hospital: [A]}, without: [P04]}\nclinical:")
    found = inspect(write_table_cohort(tmp_path, rows, card=card))
    assert not [f for f in found.findings if f.subject]
    assert found.source.cohort.ids == tuple(f"P{n:02d}" for n in range(0, 24, 2) if n != 4)


def test_a_rule_that_fits_no_row_is_named(tmp_path, rows):
    card = CARD.replace("clinical:", "patients: {where: {dead: [7], clinic: [A]}, without: [P99]}\nclinical:")
    found = {what for _, what in problems(write_table_cohort(tmp_path, rows, card=card))}
    assert "No row has 7 in column 'dead' (patients.where)." in found
    assert "No row has the id 'P99' (patients.without)." in found
    assert any("no column 'clinic' (patients.where.clinic in the card)" in what for what in found)


# --- what is wrong with a table


def test_all_problems_of_cells_and_rows_come_at_once_and_skip_bad_goes_on(tmp_path, rows, caplog):
    features = [[row[0], *row[4:]] for row in rows]
    features[2][1], features[2][3] = "high", "1,5"
    features[3][1:] = [""] * len(FEATURES)
    features.append(features[4])
    del features[6]
    features.append(["P77", *features[1][1:]])
    card = CARD.replace("{columns:", "{table: features.csv, columns:")
    folder = write_table_cohort(tmp_path / "toy", [row[:4] for row in rows], card=card)
    (folder / "features.csv").write_text("\n".join(";".join(row) for row in features))
    assert problems(folder) == {
        ("P01", "Feature 'f00' must hold numbers: 'high'."),
        ("P01", "Feature 'f02' must hold numbers: '1,5'."),
        ("P02", "None of the 13 features has a value."),
        ("P03", "An id occurs in more than one row of features.csv."),
        ("P05", "features.csv has no row for a patient."),
    }
    warnings = [p.what for p in validate_named(str(folder)).findings if p.severity == "warning"]
    assert "features.csv has 1 row without a patient in patients.csv: P77." in warnings
    with pytest.raises(CohortError, match="problems in 4 patients"):
        load_source(str(folder), profile=SMOKE)
    assert len(load_source(str(folder), profile=SMOKE, skip_bad=True).cohort) == 20
    assert "left out: SB304 features.csv has no row for a patient. P05." in caplog.text


def test_columns_that_are_none_get_a_suggestion(tmp_path, rows):
    card = CARD.replace('["f*", volume]', '["f*", volum, "g*"]')
    found = {what for _, what in problems(write_table_cohort(tmp_path, rows, card=card))}
    assert any("no column 'volum' (features.columns in the card). Did you mean 'volume'?" in what for what in found)
    assert any("no column 'g*'" in what for what in found)


@pytest.mark.parametrize(
    ("name", "values", "tells"),
    [
        (
            "f_months",
            lambda rows: [str(float(r[1]) / 30.4) for r in rows],
            "ranks patients in the same order as the survival time",
        ),
        (
            "f_rank",
            lambda rows: [str(-float(r[1])) for r in rows],
            "ranks patients in the same order as the survival time",
        ),
        ("f_alive", lambda rows: [str(1 - int(r[2])) for r in rows], "reveals the event with the codes reversed"),
    ],
)
def test_the_outcome_in_other_words_is_no_feature(tmp_path, rows, name, values, tells):
    folder = write_table_cohort(tmp_path, column(rows, name, values(rows[1:])))
    ((subject, what),) = problems(folder)
    assert subject == ""
    assert f"Feature {name!r} {tells}" in what
    with pytest.raises(CohortError, match="This is the outcome, not a predictor"):
        load_source(str(folder), profile=SMOKE, skip_bad=True)


def test_outcomes_and_clinical_columns_among_the_features_are_refused_by_name(tmp_path, rows):
    card = CARD.replace('["f*", volume]', '["*"]')
    found = {what for _, what in problems(write_table_cohort(tmp_path, rows, card=card))}
    assert found == {
        "Column 'days' is the endpoint's time and cannot be a feature.",
        "Column 'dead' is the endpoint's event and cannot be a feature.",
        "1 column is declared both under 'clinical' and as features: age.",
    }


@pytest.mark.parametrize("key", ["patient", "row-number"])
def test_a_table_without_images_is_drafted_as_features(tmp_path, rows, key):
    more = [[f"PET_Kurtosis{n}", *(f"{(n + 1.5) * i % 7.3:.3f}" for i in range(24))] for n in range(12)]
    rows = [[*row, *cells] for row, cells in zip(rows, zip(*more, strict=True), strict=True)]
    rows = column(rows, "pfs_months", [f"{7 * n % 24 + 3.5}" for n in range(24)])
    folder = write_table_cohort(tmp_path / "toy", [row[key == "row-number" :] for row in rows])
    (folder / "cohort.yaml").unlink()
    text = draft_card(folder, folder / "patients.csv").text
    card = parse_card(text, source="draft")
    assert card.id == key
    (folder / "cohort.yaml").write_text(text)
    found = inspect(folder)
    assert [f.code for f in found.findings] == ["SB206"]
    names = found.source.cohort.features.names
    assert set(names) == {"age", *FEATURES, *(f"PET_Kurtosis{n}" for n in range(12))}
