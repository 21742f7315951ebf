"""Drafts of cards: what a table and a folder tell about a cohort, and what stays to be filled in."""

from __future__ import annotations

import numpy as np
import pytest
from cohort_folder import SHAPE, lines, write_cohort, write_image, write_lines
from draft_tables import AGES, DAYS, EVENTS, IDS, MONTHS, N, coded, draft, endpoint, table
from survbench.datasets.cards.card import parse_card
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.drafting.draft import draft_card
from survbench.datasets.readers.folder import inspect_cohort
from survbench.errors import BenchError


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy")


def test_a_drafted_card_reads_the_cohort(folder):
    (folder / "cohort.yaml").unlink()
    drafted = draft_card(folder, folder / "clinical.csv")
    card = parse_card(drafted.text, source="draft")
    assert {n: (c.modality, c.file) for n, c in card.images.items()} == {
        "pet": ("PET", "images/{id}_pet.nii.gz"),
        "ct": ("CT", "images/{id}_ct.nii.gz"),
    }
    assert card.mask.file == "images/{id}_mask.nii.gz"
    assert (card.id, card.endpoint.time, card.endpoint.event) == ("patient", "months", "event")
    assert card.field_of_view_mm == (64.0, 64.0, 64.0)
    assert card.model_columns == ()
    assert drafted.todo == ()
    (folder / "cohort.yaml").write_text(drafted.text)
    assert validate_named(str(folder)).errors == 0


def test_a_draft_finds_days_words_and_folders(tmp_path):
    folder = tmp_path / "My Study (2026)"
    for name in ("a1", "a2", "a3"):
        for kind in ("t1", "seg"):
            write_image(folder / name / f"{kind}.nii.gz", np.ones(SHAPE, np.uint8))
    rows = ["id;os_days;vital_status;age", "a1;100;dead;50", "a2;900;alive;60", "a3;500;dead;70"]
    (folder / "t.csv").write_text("\n".join(rows))
    card = parse_card(draft_card(folder, folder / "t.csv").text, source="draft")
    assert card.name == "my-study-2026"
    assert (card.endpoint.unit, card.endpoint.observed, card.endpoint.censored) == ("days", ("dead",), ("alive",))
    assert card.images["t1"].modality == "MR"
    assert card.images["t1"].file == "{id}/t1.nii.gz"
    assert len(inspect_cohort(card, folder).source.cohort) == 3


def test_a_table_elsewhere_or_without_ids_is_refused(folder, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BenchError, match="lies outside"):
        draft_card(folder, tmp_path / "t.csv")
    (folder / "t.csv").write_text("a,b\nx9,2\ny9,3\n")
    with pytest.raises(BenchError, match="No column of the table names the files"):
        draft_card(folder, folder / "t.csv")


# ---- times


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("time", DAYS, "days"),
        ("SURVMON", MONTHS, "months"),
        ("OSMONTHS", MONTHS, "months"),
        ("FUDAYS", DAYS, "days"),
        ("Überlebensmonate", MONTHS, "months"),
        ("SURVTIME", DAYS, "days"),
        ("OS.time", DAYS, "days"),
        ("survtime", DAYS, "days"),
        ("AVAL", DAYS, "days"),
        ("Überlebenszeit (Monate)", MONTHS, "months"),
        ("Nachbeobachtung_Tage", DAYS, "days"),
        ("délai_suivi_mois", MONTHS, "months"),
        ("seguimiento_meses", MONTHS, "months"),
        ("sopravvivenza_mesi", MONTHS, "months"),
        ("overleving_maanden", MONTHS, "months"),
        ("days_from_diagnosis_to_last_contact", DAYS, "days"),
    ],
)
def test_a_time_is_called_so_and_an_age_beside_it_is_not(tmp_path, name, values, unit):
    found = endpoint(draft(tmp_path, table(id=IDS, age=AGES, **{name: values}, event=EVENTS)))
    assert (found["time"], found["unit"]) == (name, unit)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age_at_diagnosis", AGES),
        ("Alter", AGES),
        ("year_of_birth", [1930 + n for n in range(N)]),
        ("years", [1990 + n % 20 for n in range(N)]),
        ("dose_gy", [50 + n for n in range(N)]),
        ("mrn", [7000 + n for n in range(N)]),
        ("bmi", [20 + n / 10 for n in range(N)]),
        ("time_to_treatment", DAYS),
        ("T", [1 + n % 4 for n in range(N)]),
    ],
)
def test_what_is_no_duration_is_never_the_time(tmp_path, name, values):
    drafted = draft(tmp_path, table(id=IDS, **{name: values}, event=EVENTS))
    assert endpoint(drafted)["time"] == "TODO"
    assert any(line.startswith("time:") for line in drafted.todo)
    with pytest.raises(BenchError, match=r"not finished: endpoint.time \(line \d+\)"):
        parse_card(drafted.text, source="draft")


def test_dates_are_named_and_not_subtracted(tmp_path):
    first = [f"2015-06-{1 + n:02d}" for n in range(N)]
    last = [f"{1 + n:02d}.03.2018" for n in range(N)]
    born = [f"19{50 + n}-01-01" for n in range(N)]
    drafted = draft(tmp_path, table(id=IDS, age=AGES, birth=born, date_dx=first, date_fu=last, event=EVENTS))
    assert "date_dx and date_fu hold dates" in drafted.todo[0]
    assert endpoint(drafted)["time"] == "TODO"


@pytest.mark.parametrize("overlap", [False, True])
def test_two_columns_that_complete_each_other_are_named_with_the_remedy(tmp_path, overlap):
    pairs = list(zip(DAYS, EVENTS, strict=True))
    death = [d if e else "'--" for d, e in pairs]  # as GDC writes what is missing
    last = [(d - 30 if overlap else "'--") if e else d for d, e in pairs]
    cells = {"days_to_death": death, "days_to_last_followup": last}
    drafted = draft(tmp_path, table(id=IDS, vital_status=coded("Dead", "Alive"), **cells))
    assert "'days_to_death'" in drafted.todo[0]
    assert "'days_to_last_followup'" in drafted.todo[0]
    assert "Combine them into one column" in drafted.todo[0]
    assert endpoint(drafted)["time"] == "TODO"


def test_a_time_of_the_dead_alone_and_two_different_times_are_no_time(tmp_path):
    death = [d if e else "NA" for d, e in zip(DAYS, EVENTS, strict=True)]
    alone = draft(tmp_path, table(id=IDS, vital_status=coded("Dead", "Alive"), days_to_death=death))
    assert f"{sum(EVENTS)} of {N} patients" in alone.todo[0]
    other = [d + 13 * n % 200 for n, d in enumerate(DAYS)]
    two = draft(tmp_path, table(id=IDS, survival_days=DAYS, followup_days=other, event=EVENTS))
    assert "'survival_days' or 'followup_days'" in two.todo[0]
    same = draft(tmp_path, table(id=IDS, OS_days=DAYS, OS_months=MONTHS, OS=EVENTS))
    assert (endpoint(same)["time"], same.todo) == ("OS_days", ())


def test_cells_of_the_time_that_cannot_be_read_are_named(tmp_path):
    days = ["", "12-Mar-2019", '"1,204"', *DAYS[3:]]
    drafted = draft(tmp_path, table(id=IDS, days=days, event=EVENTS, age=AGES))
    assert endpoint(drafted)["time"] == "days"
    assert "line 2, line 3 '12-Mar-2019', line 4 '1,204'" in drafted.notes[0]


def test_a_time_longer_than_any_in_weeks_is_in_days(tmp_path):
    drafted = draft(tmp_path, table(id=IDS, time=[1826 * (n + 1) // N for n in range(N)], event=EVENTS))
    assert (endpoint(drafted)["unit"], drafted.todo) == ("days", ())
    assert "unit: a time of 1826 can only be days" in drafted.text


@pytest.mark.parametrize(
    ("longest", "name", "readings"),
    [
        (1500, "time", "no name states the unit (weeks: up to 29 years; days: up to 4.1 years)"),
        (110.4, "time", "no name states the unit (months: up to 9.2 years; weeks: up to 2.1 years)"),
        (
            12.5,
            "time",
            "no name states the unit (years: up to 12 years; months: up to 1 years; weeks: up to 0.24 years)",
        ),
        (1826, "OS_months", "152 years are too long for months (weeks: up to 35 years; days: up to 5 years)"),
    ],
)
def test_a_unit_that_no_name_states_is_open_with_what_each_would_mean(tmp_path, longest, name, readings):
    times = [longest * (n + 1) / N for n in range(N)]
    times = [int(t) for t in times] if isinstance(longest, int) else times
    drafted = draft(tmp_path, table(id=IDS, **{name: times}, event=EVENTS))
    assert drafted.todo == (f"unit: {readings}.",)
    assert f"TODO: unit: {readings}" in drafted.text
    with pytest.raises(BenchError, match=r"not finished: endpoint.unit"):
        parse_card(drafted.text, source="draft")


@pytest.mark.parametrize(("column", "unit"), [("AVALU", "months"), ("AVAL_unit", "months"), ("dose_unit", "TODO")])
def test_the_unit_may_stand_in_a_column_beside(tmp_path, column, unit):
    drafted = draft(tmp_path, table(id=IDS, AVAL=MONTHS, **{column: ["MONTHS"] * N}, CNSR=coded(0, 1)))
    assert endpoint(drafted)["unit"] == unit


def test_years_of_treatment_are_no_time_and_years_with_months_beyond_are_two_parts(tmp_path):
    year = [2009 + n % 7 for n in range(N)]
    years = [f"{d / 365.25:.2f}".replace(".", ",") for d in DAYS]
    cells = {"anno di trattamento": year, "tempo di osservazione (anni)": years}
    text = table("\t", paziente=IDS, **cells, vivo=coded("NO", "SI"))
    (tmp_path / "t.tsv").write_text(text, encoding="utf-8")
    drafted = draft_card(tmp_path, tmp_path / "t.tsv")
    assert (endpoint(drafted)["time"], endpoint(drafted)["unit"]) == ("tempo di osservazione (anni)", "years")
    assert "anno di trattamento" in {c.column for c in parse_card(drafted.text, source="draft").clinical}
    months = [d // 30 for d in DAYS]
    parts = {"Survival (years)": [m // 12 for m in months], "Survival (additional months)": [m % 12 for m in months]}
    drafted = draft(tmp_path, table(id=IDS, **parts, died=EVENTS))
    assert "'Survival (years)' and 'Survival (additional months)' are parts of one duration" in drafted.todo[0]


# ---- other outcomes


def chosen(drafted, name):
    """Return the card in which the user has taken one of several endpoints."""
    lines = drafted.text.splitlines()
    line = next(line for line in lines if line.startswith(f"# endpoint: {{name: {name},"))
    return parse_card("\n".join([line[2:], *(x for x in lines if not x.startswith("endpoint:"))]), source="draft")


def test_two_endpoints_are_not_chosen_between_and_neither_is_a_predictor(tmp_path):
    other = [d * (1 + n % 3) // 4 for n, d in enumerate(DAYS)]
    cells = {"OS_days": DAYS, "OS_event": EVENTS, "PFS_days": other, "PFS_event": [1] * 5 + EVENTS[5:]}
    features = {f"f{k}": [f"{(n * (k + 3)) % 7.7:.4f}" for n in range(N)] for k in range(20)}
    for more in ({}, features):
        drafted = draft(tmp_path, table(id=IDS, **cells, age=AGES, **more))
        counts = f"OS ({sum(EVENTS)} of {N} patients had the event), PFS ({5 + sum(EVENTS[5:])} of {N})"
        assert counts in drafted.todo[0]
        with pytest.raises(BenchError, match="endpoint .* is TODO"):
            parse_card(drafted.text, source="draft")
        left = {column for columns in drafted.left_out.values() for column in columns}
        assert not left & set(cells)
        card = chosen(drafted, "PFS")
        assert (card.endpoint.time, card.endpoint.event) == ("PFS_days", "PFS_event")
        assert not set(cells) & {c.column for c in card.clinical}
        assert not more or set(cells) <= set(card.features.exclude)


def test_a_survival_that_words_alone_tell_stands_beside_a_named_endpoint(tmp_path):
    cells = {"Überlebenszeit (Monate)": MONTHS, "Status": coded("verstorben", "lebt")}
    other = {"PFS_Monate": MONTHS, "PFS_Ereignis": coded("ja", "nein")}
    both = draft(tmp_path, table(id=IDS, **cells, **other, age=AGES))
    assert chosen(both, "OS").endpoint.event == "Status"
    assert chosen(both, "PFS").endpoint.event == "PFS_Ereignis"
    assert endpoint(draft(tmp_path, table(id=IDS, **cells, age=AGES)))["name"] == "OS"


@pytest.mark.parametrize("name", ["alive", "cause_of_death", "mystery", "time_years"])
def test_the_outcome_in_other_words_is_left_out(tmp_path, name):
    cells = {
        "alive": [1 - e for e in EVENTS],
        "cause_of_death": ["cancer" if e else "none known" for e in EVENTS],
        "mystery": coded("x", "y"),
        "time_years": [f"{d / 365.25:.2f}" for d in DAYS],
    }[name]
    drafted = draft(tmp_path, table(id=IDS, days=DAYS, event=EVENTS, age=AGES, **{name: cells}))
    assert name in {column for columns in drafted.left_out.values() for column in columns}
    assert endpoint(drafted)["event"] == "event"


def test_two_events_of_one_time_are_not_chosen_between(tmp_path):
    relapse = [int(n % 3 == 0) for n in range(N)]
    drafted = draft(tmp_path, table(id=IDS, time=DAYS, death=EVENTS, recurrence=relapse))
    assert endpoint(drafted)["event"] == "TODO"
    assert "'death' or 'recurrence'" in drafted.todo[0]
    vital = draft(tmp_path, table(id=IDS, PFS_months=MONTHS, vital_status=coded("dead", "alive")))
    assert "belongs to another endpoint" in vital.todo[0]


@pytest.mark.parametrize(("name", "cells"), [("event", (0, 1)), ("vital_status", ("alive", "dead")), ("CNSR", (1, 0))])
def test_columns_that_contradict_each_other_leave_the_codes_open(tmp_path, name, cells):
    drafted = draft(tmp_path, table(id=IDS, time=DAYS, status=EVENTS, **{name: coded(*cells)}))
    assert endpoint(drafted)["observed"] == "TODO"
    assert "contradict each other" in drafted.todo[0]
    agreed = draft(tmp_path, table(id=IDS, time=DAYS, status=EVENTS, **{name: coded(*cells[::-1])}))
    assert agreed.todo == ()


def test_statuses_that_are_no_outcome_stay_clinical(tmp_path):
    cells = {"hpv_status": ["pos", "neg"] * (N // 2), "tumor_status": ["T1", "T2", "T1", "T1"] * (N // 4)}
    card = parse_card(draft(tmp_path, table(id=IDS, time=DAYS, event=EVENTS, **cells)).text, source="draft")
    assert [c.column for c in card.clinical] == ["hpv_status", "tumor_status"]


def test_columns_left_out_are_listed_with_the_reason(tmp_path):
    cells = {"empty": [""] * N, "same": [3] * N, "note": [f"text {n}" for n in range(N)]}
    drafted = draft(tmp_path, table(id=IDS, days=DAYS, event=EVENTS, **cells))
    assert drafted.left_out == {
        "empty": ("empty",),
        "one value only": ("same",),
        "text with more than 10 values": ("note",),
    }
    assert "#   one value only: same" in drafted.text


# ---- missing values


@pytest.mark.parametrize(
    "words",
    [
        ("Unknown", "[Not Available]", "--", "Not Reported"),
        ("unbekannt", "k.A.", "nicht bekannt", "keine Angabe"),
        ("inconnu", "non renseigné", "desconocido", "sconosciuto"),
        ("onbekend", "?", "#VALUE!", "not evaluated"),
    ],
)
def test_words_for_missing_are_no_levels(tmp_path, words):
    stages = [*words, *["I", "II", "III"] * N][:N]
    card = parse_card(draft(tmp_path, table(id=IDS, days=DAYS, event=EVENTS, stage=stages)).text, source="draft")
    assert card.clinical[0].levels == ("I", "II", "III")
    assert set(card.missing) == set(words)


def test_numbers_for_missing_are_listed_where_no_other_column_holds_them(tmp_path):
    ages = [-999, 9999, *AGES[2:]]
    card = parse_card(draft(tmp_path, table(id=IDS, days=DAYS, event=EVENTS, age=ages)).text, source="draft")
    assert set(card.missing) == {"-999", "9999"}
    ecog = [9 if n % 6 == 0 else n % 3 for n in range(N)]
    drafted = draft(tmp_path, table(id=IDS, days=DAYS, event=EVENTS, ecog=ecog, size=[n + 1 for n in range(N)]))
    assert parse_card(drafted.text, source="draft").missing == ()
    assert drafted.notes[0] == "'ecog' holds 9, often a code for missing; leave these cells blank if it is."


def test_plus_and_minus_are_levels(tmp_path):
    signs = ["+", "-"] * (N // 2)
    card = parse_card(draft(tmp_path, table(id=IDS, days=DAYS, event=EVENTS, hpv=signs)).text, source="draft")
    assert card.clinical[0].levels == ("+", "-")


# ---- ids and masks


def test_several_labels_in_masks_become_structures_that_wait_for_names(folder):
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:8, 4:8, 4:8] = 1
    labels[8:10, 8:10, 8:10] = 2
    write_image(folder / "images" / "P00_mask.nii.gz", labels)
    text = draft_card(folder, folder / "clinical.csv").text
    assert "# Labels in 5 masks: 1 (in 5), 2 (in 1)." in text
    (folder / "cohort.yaml").unlink()
    card = parse_card(text, source="draft")
    assert card.structures == {"label_1": 1, "label_2": 2}
    assert card.mask.use == "union"


def test_ids_of_which_files_have_leading_zeros_are_found(folder):
    rows = [line.split(",") for line in lines(folder)]
    write_lines(folder, [",".join([row[0].replace("P0", "").replace("P", ""), *row[1:]]) for row in rows])
    drafted = draft_card(folder, folder / "clinical.csv")
    card = parse_card(drafted.text, source="draft")
    assert card.images["pet"].file == "images/P{id:02d}_pet.nii.gz"
    assert len(inspect_cohort(card, folder).source.cohort) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (str.lower, "in upper and lower case: the table has 'p00', the files have 'P00'"),
        (lambda name: name.replace("P", "P-"), "in punctuation between letters and digits: the table has 'P-00'"),
        (lambda name: name.replace("P", "P0"), "in leading zeros: the table has 'P000', the files have 'P00'"),
    ],
)
def test_ids_that_differ_from_those_of_files_are_one_finding(folder, change, message):
    rows = [line.split(",") for line in lines(folder)]
    write_lines(folder, [",".join(rows[0]), *(",".join([change(row[0]), *row[1:]]) for row in rows[1:])])
    with pytest.raises(BenchError, match=message):
        draft_card(folder, folder / "clinical.csv")


NUMBERS = [1000 + 17 * n for n in range(N)]


@pytest.mark.parametrize(
    "name",
    [
        "Pat-Nr",
        "patientnummer",
        "N° historia",
        "Nº historia clínica",
        "Hospital ID",
        "Study No",
        "USUBJID",
        "MRN",
        "Fallnummer",
        "Fallnr.",
        "Aktenzeichen",
        "numéro de dossier",
        "NIP",
        "n. cartella",
        "codice",
        "dossiernummer",
        "Pt No",
        "Studiennummer",
        "Registry ID",
        "Accession Number",
        "record_id",
        "case",
        "subject",
        "Code",
        "Nr.",
    ],
)
def test_a_column_that_is_called_so_holds_the_ids(tmp_path, name):
    drafted = draft(tmp_path, table(age=AGES, **{name: NUMBERS}, days=DAYS, event=EVENTS))
    assert parse_card(drafted.text, source="draft").id == name


def test_rows_are_numbered_only_where_nothing_is_called_like_an_id(tmp_path):
    for name in ("weight", "PSA", "number of nodes"):
        drafted = draft(tmp_path, table(**{name: NUMBERS}, days=DAYS, event=EVENTS))
        assert parse_card(drafted.text, source="draft").id == "row-number"
    zeros = [f"{n:05d}" for n in NUMBERS]
    assert parse_card(draft(tmp_path, table(x=zeros, days=DAYS, event=EVENTS)).text, source="draft").id == "x"


@pytest.mark.parametrize("column", ["PARAMCD", "endpoint", "reader"])
def test_a_column_that_tells_the_rows_of_a_patient_apart_has_to_be_chosen_from(tmp_path, column):
    twice = [name for name in IDS for _ in range(2)]
    cells = {"USUBJID": twice, column: ["OS", "PFS"] * N, "AGE": [a for a in AGES for _ in range(2)]}
    outcome = {"AVAL": DAYS + DAYS[::-1], "CNSR": EVENTS + EVENTS[::-1]}
    drafted = draft(tmp_path, table(**cells, **outcome))
    with pytest.raises(BenchError, match=rf"not finished: patients.where.{column} "):
        parse_card(drafted.text, source="draft")
    assert f"'USUBJID' has several rows per id, distinguished by '{column}'" in drafted.todo[-1]
    assert f"'OS' ({N} rows), 'PFS' ({N} rows)" in drafted.text
    card = parse_card(drafted.text.replace("[TODO]", "[PFS]"), source="draft")
    assert (card.id, card.patients.where) == ("USUBJID", {column: ("PFS",)})
    assert [c.column for c in card.clinical] == ["AGE"]


def test_ids_in_several_rows_that_nothing_tells_apart_are_named(tmp_path):
    drafted = draft(tmp_path, table(id=[IDS[0], *IDS[:-1]], days=DAYS, event=EVENTS))
    assert endpoint(drafted)
    note = drafted.notes[0]
    assert note.startswith("1 ids in 'id' occur in several rows (P000). Keep one row per patient. ")
    assert "under 'group'" in note


def test_a_damaged_image_does_not_stop_a_draft(folder):
    (folder / "images" / "P00_ct.nii.gz").write_bytes(b"no image")
    drafted = draft_card(folder, folder / "clinical.csv")
    assert parse_card(drafted.text, source="draft").field_of_view_mm == (64.0, 64.0, 64.0)
    assert drafted.notes[0].startswith("images/P00_ct.nii.gz cannot be read: ")
    for path in (folder / "images").iterdir():
        path.write_bytes(b"no image")
    drafted = draft_card(folder, folder / "clinical.csv")
    assert drafted.todo[-1].startswith("field_of_view_mm: no image could be read.")
    with pytest.raises(BenchError, match="not finished: field_of_view_mm"):
        parse_card(drafted.text, source="draft")


def test_columns_that_are_called_like_others_are_features_and_need_not_be_many(tmp_path):
    numbers = {
        f"{what}_{n}": [f"{(k * (n + 3)) % 7.7:.4f}" for k in range(N)] for what in ("PET", "CT") for n in range(5)
    }
    text = table(id=IDS, days=DAYS, event=EVENTS, age=AGES, **numbers)
    card = parse_card(draft(tmp_path, text).text, source="draft")
    assert [c.column for c in card.clinical] == ["age"]
    assert set(card.features.exclude) == {"days", "event", "age"}
    few = table(id=IDS, days=DAYS, event=EVENTS, age=AGES, **dict(list(numbers.items())[:6]))
    assert parse_card(draft(tmp_path, few).text, source="draft").features is None


@pytest.mark.parametrize("shared", [True, False])
def test_a_second_table_of_the_same_patients_is_drafted_as_their_features(tmp_path, shared):
    numbers = {f"f{n}": [f"{(k * (n + 3)) % 7.7:.4f}" for k in range(N)] for n in range(4)}
    ids = IDS if shared else [f"other{i}" for i in IDS]
    other = table(case=ids, scanner=["A", "B"] * (N // 2), PFS_days=DAYS, **numbers)
    (tmp_path / "radiomics.csv").write_text(other, encoding="utf-8")
    (tmp_path / "folds.csv").write_text(table(id=IDS, fold=[n % 3 for n in range(N)]), encoding="utf-8")
    card = parse_card(draft(tmp_path, table(id=IDS, days=DAYS, event=EVENTS, age=AGES)).text, source="draft")
    assert (card.features is not None) == shared
    if shared:
        assert (card.features.table, card.features.id) == ("radiomics.csv", "case")
        assert set(card.features.exclude) == {"scanner", "PFS_days"}
