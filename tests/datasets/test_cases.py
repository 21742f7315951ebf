"""Forty cohorts with one fault each, and the test that each of them is: here, or in the module of its topic."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_folder import write_cohort
from draft_tables import AGES, DAYS, EVENTS, IDS, MONTHS, N, coded, draft, endpoint, table
from survbench.datasets.cards.card import parse_card
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.drafting.draft import draft_card
from survbench.plan.profile import load_profile
from table_cohort import CARD, FEATURES, table_rows, write_table_cohort

TESTS = Path(__file__).parents[1]
HERE = "datasets/test_cases.py"
TABLE, IMAGES, MASKS = (f"datasets/test_checks_{topic}.py" for topic in ("table", "images", "masks"))
DRAFT, CODES, PATHS = (f"datasets/test_draft{topic}.py" for topic in ("", "_events", "_paths"))
READING = "io/test_tables.py"
CASES = {
    "01-cnsr-reasons": (HERE, "test_reasons_of_censoring_are_no_event_and_no_feature"),
    "01-cnsr-zero-is-event": (CODES, "test_codes_are_read_by_meaning"),
    "01-compare-censorship-column": ("evaluation/test_risk_table.py", "test_a_column_of_the_censored_is_turned_round"),
    "01-progressed-progression-free": (CODES, "test_codes_are_read_by_meaning"),
    "01-words-without-a-known-meaning": (CODES, "test_codes_that_do_not_say_are_left_open_with_both_counts"),
    "02-event-coded-one-two": (TABLE, "test_codes_1_and_2_are_one_error_with_what_is_probable"),
    "03-mask-is-an-image": (MASKS, "test_an_image_in_place_of_a_mask_is_an_error"),
    "04-label-missing-in-one-patient": (MASKS, "test_a_patient_without_the_chosen_label_is_named_with_those_it_has"),
    "04-several-labels-no-label-given": (MASKS, "test_several_labels_and_none_chosen_are_counted_by_patient"),
    "05-mask-with-soft-edge": (MASKS, "test_the_volume_of_a_ball_survives_linear_resampling"),
    "06-pet-in-two-units": (IMAGES, "test_the_pet_of_a_centre_in_another_unit_is_named"),
    "07-ct-padding-3024": (IMAGES, "test_padding_below_hu_reads_as_not_scanned"),
    "08-two-lesions-of-a-patient": (
        TABLE,
        "test_rows_with_one_outcome_and_ids_that_differ_in_a_part_are_one_patient",
    ),
    "09-sentinel-numbers": (TABLE, "test_codes_are_named_by_column_and_the_card_takes_them_for_missing"),
    "09-words-for-missing": (DRAFT, "test_words_for_missing_are_no_levels"),
    "10-id-occurs-in-a-folder-name": (HERE, "test_a_draft_puts_the_id_where_every_patient_has_a_file"),
    "10-ids-as-floats-in-features": (HERE, "test_ids_that_a_parquet_holds_as_floats_join"),
    "10-leading-zeros-in-files": (HERE, "test_a_draft_puts_the_id_where_every_patient_has_a_file"),
    "10-one-digit-ids": (HERE, "test_a_draft_puts_the_id_where_every_patient_has_a_file"),
    "11-outcome-among-clinical-columns": (
        TABLE,
        "test_the_outcome_among_clinical_columns_is_refused_and_can_be_ignored",
    ),
    "11-second-endpoint-among-features": (TABLE, "test_another_endpoint_is_refused_by_values_or_warned_of_by_name"),
    "11-text-columns-of-an-export": (TABLE, "test_text_columns_are_one_error_that_proposes_what_to_exclude"),
    "12-sform-and-qform-differ": (IMAGES, "test_sform_and_qform_that_differ_are_named"),
    "13-mask-stored-in-another-order": (IMAGES, "test_a_mask_stored_in_another_order_is_read_in_the_images"),
    "14-mask-with-another-origin": (IMAGES, "test_what_differs_between_the_grids_of_mask_and_images_is_said"),
    "16-survival-time-imported-as-risk": (
        "actions/test_import_risks.py",
        "test_the_board_asks_whether_risks_are_turned_round",
    ),
    "17-five-years-of-1825-days": (TABLE, "test_a_follow_up_that_ends_before_a_horizon_is_said"),
    "17-five-years-of-1826-days": (TABLE, "test_a_follow_up_that_ends_before_a_horizon_is_said"),
    "18-one-event-in-training": ("models/test_few_events.py", "test_fewer_than_two_events_are_refused_in_words"),
    "20-external-feature-in-other-unit": ("datasets/test_checks_external.py", "test_another_unit_is_named"),
    "21-dates-and-no-duration": (DRAFT, "test_dates_are_named_and_not_subtracted"),
    "21-one-odd-cell-among-the-times": (DRAFT, "test_cells_of_the_time_that_cannot_be_read_are_named"),
    "21-time-in-two-columns": (HERE, "test_a_time_that_only_the_dead_have_is_said_by_draft_and_check"),
    "22-decimal-comma": (HERE, "test_numbers_as_spreadsheets_of_other_countries_write_them_are_times"),
    "22-decimal-comma-everywhere": (HERE, "test_numbers_as_spreadsheets_of_other_countries_write_them_are_times"),
    "22-sep-line-of-a-spreadsheet": (HERE, "test_numbers_as_spreadsheets_of_other_countries_write_them_are_times"),
    "22-thousands-separator": (HERE, "test_numbers_as_spreadsheets_of_other_countries_write_them_are_times"),
    "26-nan-outside-the-body": (IMAGES, "test_nan_at_the_border_reads_as_not_scanned"),
    "26-nii-gz-that-is-not-gzipped": (IMAGES, "test_a_file_of_another_kind_is_named"),
    "28-umlauts-in-two-unicode-forms": (TABLE, "test_files_are_found_under_other_spellings_of_the_ids"),
}


def test_every_case_has_its_test():
    assert len(CASES) == 40
    for module, name in set(CASES.values()):
        assert re.search(rf"^def {name}\(", (TESTS / module).read_text(encoding="utf-8"), re.MULTILINE), name


def test_reasons_of_censoring_are_no_event_and_no_feature(tmp_path):
    rng = np.random.default_rng(0)
    features = {f"f{n:02d}": rng.normal(size=N).round(4) for n in range(30)}
    reasons = [0 if e else 1 + n % 3 for n, e in enumerate(EVENTS)]
    drafted = draft(tmp_path, table(id=IDS, time_days=DAYS, CNSR=reasons, **features))
    card = parse_card(drafted.text, source="draft")
    assert (card.endpoint.event, card.endpoint.observed, card.endpoint.censored) == ("CNSR", ("0",), ("1", "2", "3"))
    assert f"{sum(EVENTS)} of {N} patients had the event" in drafted.text
    assert card.features.exclude == ("time_days", "CNSR")


@pytest.mark.parametrize(
    ("ids", "file", "pattern"),
    [
        (range(20, 32), "HN2022/imagesTr/{}_pet.nii.gz", "HN2022/imagesTr/{id}_pet.nii.gz"),
        (range(1, 10), "HN2022/imagesTr/{}_pet.nii.gz", "HN2022/imagesTr/{id}_pet.nii.gz"),
        (range(1, 13), "images/{:03d}_pet.nii.gz", "images/{id:03d}_pet.nii.gz"),
    ],
)
def test_a_draft_puts_the_id_where_every_patient_has_a_file(tmp_path, ids, file, pattern):
    folder = write_cohort(tmp_path / "toy", len(ids))
    text = (folder / "clinical.csv").read_text(encoding="utf-8")
    for n, patient in enumerate(ids):
        text = text.replace(f"P{n:02d},", f"{patient},")
        for kind in ("pet", "ct", "mask"):
            to = folder / file.format(patient).replace("pet", kind)
            to.parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / f"P{n:02d}_{kind}.nii.gz").rename(to)
    (folder / "clinical.csv").write_text(text, encoding="utf-8")
    (folder / "cohort.yaml").unlink()
    drafted = draft_card(folder, folder / "clinical.csv").text
    assert parse_card(drafted, source="draft").images["pet"].file == pattern
    (folder / "cohort.yaml").write_text(drafted, encoding="utf-8")
    report = validate_named(str(folder))
    assert report.errors == 0
    assert len(load_source(str(folder), profile=load_profile("smoke")).cohort) == len(ids)


def test_ids_that_a_parquet_holds_as_floats_join(tmp_path):
    rows = table_rows(60)
    own = [[str(n), *row[1:4]] if n else row[:4] for n, row in enumerate(rows)]
    card = CARD.replace("features: {", "features: {table: features.parquet, ")
    folder = write_table_cohort(tmp_path / "toy", own, card=card)
    frame = pd.DataFrame([list(map(float, row[4:])) for row in rows[1:]], columns=list(FEATURES))
    frame.insert(0, "patient", np.arange(1.0, 61.0))
    frame.iloc[::-1].to_parquet(folder / "features.parquet")
    (note,) = validate_named(str(folder)).findings
    assert note.what.endswith("were treated as the same: 1 is 1.0, 10 is 10.0, 11 is 11.0, 12 is 12.0, 13 is 13.0, ...")
    cohort = load_source(str(folder), profile=load_profile("smoke")).cohort
    assert cohort.features.values[cohort.ids.index("17")] == pytest.approx([float(v) for v in rows[17][4:]])


def test_a_time_that_only_the_dead_have_is_said_by_draft_and_check(tmp_path):
    pairs = list(zip(DAYS, EVENTS, strict=True))
    cells = {
        "days_to_death": [d if e else "" for d, e in pairs],
        "days_to_last_followup": ["" if e else d for d, e in pairs],
    }
    drafted = draft(tmp_path, table(id=IDS, vital_status=coded("Dead", "Alive"), **cells, age=AGES))
    assert "'days_to_death'" in drafted.todo[0]
    assert "Combine them into one column" in drafted.todo[0]
    filled = drafted.text.replace("time: TODO", "time: days_to_death").replace("unit: TODO", "unit: days")
    (tmp_path / "cohort.yaml").write_text(filled, encoding="utf-8")
    (error,) = (f for f in validate_named(str(tmp_path)).findings if f.severity == "error")
    assert (error.code, error.subject) == ("SB211", "")
    assert f"All {N - sum(EVENTS)} patients who are censored, and only these, have no time" in error.cause


COMMAS = [f"{days / 30.44:.1f}".replace(".", ",") for days in DAYS]


@pytest.mark.parametrize(
    ("text", "time", "unit", "first"),
    [
        (table(";", id=IDS, survival_months=COMMAS, event=EVENTS, age=AGES), "survival_months", "months", "1.2"),
        (
            table(";", id=IDS, survival_months=COMMAS, event=EVENTS, age=[f"{a},5" for a in AGES]),
            "survival_months",
            "months",
            "1.2",
        ),
        (
            "sep=;\n" + table(";", id=IDS, survival_months=MONTHS, event=EVENTS, age=AGES),
            "survival_months",
            "months",
            "1.2",
        ),
        (
            table(id=IDS, survival_days=[f'"{d:,}"' for d in DAYS], event=EVENTS, age=AGES),
            "survival_days",
            "days",
            "37",
        ),
    ],
    ids=["decimal comma", "decimal comma everywhere", "sep line", "thousands"],
)
def test_numbers_as_spreadsheets_of_other_countries_write_them_are_times(tmp_path, text, time, unit, first):
    drafted = draft(tmp_path, text)
    assert (endpoint(drafted)["time"], endpoint(drafted)["unit"]) == (time, unit)
    (tmp_path / "cohort.yaml").write_text(drafted.text, encoding="utf-8")
    report = validate_named(str(tmp_path))
    assert report.errors == 0
    notes = [f.what for f in report.findings if f.code == "SB112"]
    assert len(notes) == (0 if text.startswith("sep") else 1)
    assert all(time in note for note in notes)
    source = load_source(str(tmp_path), profile=load_profile("smoke"))
    months = dict(zip(source.cohort.ids, source.cohort.time, strict=True))
    in_months = 1.0 if unit == "months" else 12 / 365.25
    assert months[IDS[0]] == pytest.approx(float(first) * in_months, rel=1e-3)
    assert max(months.values()) == pytest.approx(max(DAYS) * 12 / 365.25, rel=0.01)
