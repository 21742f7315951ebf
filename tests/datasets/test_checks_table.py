"""Checks of tables, ids, outcomes and predictors: an input that trips each, and one near it that does not."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from cohort_folder import write_cohort
from scipy.stats import spearmanr
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import parse_card
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.leaks import TellsOutcome, rank_correlations
from survbench.datasets.checks.missing_codes import codes_for_missing
from survbench.datasets.cohorts.named import load_source
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.readers.joining import join
from survbench.datasets.vocabulary.outcomes import named_like_outcome
from survbench.findings import CohortError
from survbench.plan.profile import load_profile
from table_cohort import CARD, apart, changed, lesions, table_rows, write_table_cohort


def codes(folder):
    """Return the codes that are found, with their causes."""
    return {f.code: f.what for f in validate_named(str(folder)).findings}


@pytest.fixture
def rows():
    return table_rows(60)


def found(tmp_path, rows, *, card=CARD):
    return codes(write_table_cohort(tmp_path / "toy", rows, card=card))


def test_nothing_is_found_where_all_is_well(tmp_path, rows):
    assert found(tmp_path, rows) == {}


# --- rows of one patient


@pytest.mark.parametrize(
    "names",
    [
        lambda n: f"P{n // 2:02d}_L{n % 2}",
        lambda n: f"P{n // 2:02d}{'ab'[n % 2]}",
        lambda n: f"{['left', 'right'][n % 2]}-{n // 2:02d}",
        lambda n: f"C1-P{n // 2:02d}-tumour-{n % 2}",
    ],
)
def test_rows_with_one_outcome_and_ids_that_differ_in_a_part_are_one_patient(tmp_path, rows, names):
    assert "60 rows seem to belong to 30 patients" in found(tmp_path, lesions(rows, names))["SB110"]
    assert "SB110" not in found(tmp_path, lesions(rows, names, same=False))


@pytest.mark.parametrize("copied", [True, False])
def test_one_row_that_stands_twice_under_two_ids_is_named(tmp_path, rows, copied):
    card = CARD.replace('["f*", volume]', '["f0[0-7]"]')
    twin = [*(rows[5] if copied else [*rows[5][:-7], "0.5", *rows[5][-6:]])]
    table = [*rows, ["P99", *twin[1:]]]
    assert ("as P04" in found(tmp_path, table, card=card).get("SB110", "")) == copied


def test_equal_rows_of_a_few_coarse_values_are_chance(tmp_path, rows):
    coarse = {f"c{n}": (lambda n, _: n % 2) for n in range(6)}
    columns = "".join(f"  - {{name: {c}, column: {c}, kind: numeric, model: true}}\n" for c in coarse)
    card = CARD.replace('features: {columns: ["f*", volume]}\n', "").replace("licence", f"{columns}licence")
    table = changed(rows, age=lambda n, _: n % 2, days=lambda n, c: 20 * (n + 1) if n != 8 else 20 * 3, **coarse)
    assert "SB110" not in found(tmp_path, table, card=card)


def test_a_column_of_patients_is_named_as_the_group(tmp_path, rows):
    table = changed(lesions(rows, lambda n: f"{n:03d}"), subject_id=lambda n, _: f"S{n // 2}")
    folder = write_table_cohort(tmp_path / "toy", table)
    (warning,) = [f for f in validate_named(str(folder)).findings if f.code == "SB110"]
    assert "group: subject_id" in warning.remedy
    grouped = CARD.replace("id: patient", "id: patient\ngroup: subject_id")
    assert "60 rows belong to 30 patients" in found(tmp_path, table, card=grouped)["SB603"]
    table[5][-1] = ""
    assert "SB109" in found(tmp_path, table, card=grouped)


def test_equal_clinical_values_beyond_chance_are_one_patient(tmp_path, rows):
    table = changed(lesions(rows, lambda n: f"{n:03d}"), age=lambda n, _: 40 + n // 2)
    assert "the same clinical values" in found(tmp_path, table)["SB110"]
    apart = changed(table, age=lambda n, _: 40 + n)
    assert "SB110" not in found(tmp_path, apart)


# --- codes and words for missing


@pytest.mark.parametrize(
    ("values", "code", "count"),
    [
        ("age", -999, 3),
        ("age", -1, 1),
        ("age", 999, 1),
        ("age", 99, 4),
        ("z", -9999, 5),
        ("z", 99, 1),
        ("stage", 99, 2),
        ("volume", 9999, 1),
        ("volume", -1, 2),
        ("hounsfield", -9999, 1),
    ],
)
def test_codes_that_stand_apart_are_taken_for_missing(values, code, count):
    column = columns()[values]
    assert codes_for_missing(column) == {}
    column[:count] = code
    assert codes_for_missing(column) == {code: count}


@pytest.mark.parametrize(
    ("column", "codes"),
    [
        ([1, 2, 3, 99, 200, -999], {}),
        ([10, 20, 99, 30, 150, 999, 999, 999], {}),
        ([10, 20, 25, 30, 150, 999, 999, 999], {999.0: 3}),
        ([1.5, 2.5, 3.5, 4.5, 5.5, 99.9], {99.9: 1}),
    ],
)
def test_what_is_usual_is_judged_without_any_number_that_may_be_a_code(column, codes):
    assert codes_for_missing(np.array(column, dtype=float)) == codes


def columns():
    rng = np.random.default_rng(1)
    return {
        "age": np.round(rng.normal(60, 8, 60)),
        "z": rng.normal(size=60),
        "stage": rng.integers(0, 4, 60).astype(float),
        "volume": rng.lognormal(3, 1, 60),
        "hounsfield": -1000 + rng.exponential(200, 60),
    }


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: np.round(rng.lognormal(4, 2, 120)),
        lambda rng: rng.poisson(3, 120).astype(float),
        lambda rng: np.round(rng.standard_cauchy(120) * 10),
        lambda rng: -1024 + np.round(rng.exponential(100, 120)),
        lambda rng: np.round(rng.uniform(0, 9999, 120)),
        lambda rng: np.round(rng.normal(0, 2, 120)),
    ],
)
def test_true_extremes_are_no_codes(draw):
    rng = np.random.default_rng(2)
    assert not any(codes_for_missing(draw(rng)) for _ in range(100))


def test_codes_are_named_by_column_and_the_card_takes_them_for_missing(tmp_path, rows):
    table = changed(rows, age=lambda n, c: -999 if n < 3 else c["age"], f00=lambda n, c: 9999 if n < 2 else c["f00"])
    folder = write_table_cohort(tmp_path / "toy", table)
    warnings = {f.cause.split()[0]: f for f in validate_named(str(folder)).findings}
    assert (warnings["-999"].detail, warnings["9999"].detail) == ("age (3 times)", "f00 (2 times)")
    assert "missing: [-999]" in warnings["-999"].remedy
    assert found(tmp_path, table, card=CARD + "missing: [-999, 9999]\n") == {}


@pytest.mark.parametrize(
    ("levels", "trips"),
    [
        (["I", "II", "Unknown"], True),
        (["I", "II", "[Not Available]"], True),
        (["I", "II", "k.A."], True),
        (["+", "-", "--"], False),
        (["none", "N0", "no"], False),
    ],
)
def test_levels_that_mean_missing_are_named(tmp_path, rows, levels, trips):
    listed = ", ".join(f'"{level}"' for level in levels)
    card = CARD.replace(
        "clinical:", f"clinical:\n  - {{name: stage, column: stage, kind: categorical, levels: [{listed}]}}"
    )
    table = changed(rows, stage=lambda n, _: levels[n % 3])
    assert ("SB313" in found(tmp_path, table, card=card)) == trips


# --- outcomes among predictors


def noisy(sd):
    rng = np.random.default_rng(0)
    return lambda _, c: float(c["days"]) * np.exp(sd * rng.normal())


@pytest.mark.parametrize(
    "values",
    [
        lambda _, c: np.log(float(c["days"])),
        lambda _, c: round(float(c["days"]) / 30),
        lambda _, c: 1 - int(c["dead"]),
        noisy(0.05),
    ],
)
def test_the_outcome_among_clinical_columns_is_refused_and_can_be_ignored(tmp_path, rows, values):
    card = CARD.replace("clinical:", "clinical:\n  - {name: x, column: x, kind: numeric, model: true}")
    folder = write_table_cohort(tmp_path / "toy", changed(rows, x=values), card=card)
    assert "Clinical column 'x'" in codes(folder)["SB306"]
    assert "SB306" in {f.code for f in validate_named(str(folder), ignored=["SB306"]).ignored}
    only_described = card.replace("column: x, kind: numeric, model: true", "column: x, kind: numeric")
    assert found(tmp_path, changed(rows, x=values), card=only_described) == {}


@pytest.mark.parametrize("c", [2.2, 6.0])
@pytest.mark.parametrize("patients", [60, 120, 300])
def test_a_strong_marker_is_no_outcome(c, patients):
    """The markers have a C of 0.92 and 0.97: what they do not know is when patients were censored."""
    card = parse_card(CARD, source="card")
    rng = np.random.default_rng(patients)
    for _ in range(20):
        marker = rng.normal(size=patients)
        ended = np.exp(-c * marker + 0.6 * np.log(-np.log(rng.random(patients))))
        censored = rng.exponential(np.median(ended) * 2, patients)
        cohort = Cohort(
            subjects=tuple(Subject(str(n), "", {"age": value}, {}) for n, value in enumerate(marker)),
            time=np.minimum(ended, censored),
            event=ended <= censored,
        )
        assert list(TellsOutcome().find(SourceCohort(card, cohort))) == []


def test_numbers_that_separate_the_events_and_do_not_order_them_are_a_leak(tmp_path, rows):
    noise = np.random.default_rng(1).normal(size=len(rows))
    told = changed(rows, f99=lambda n, c: 4.0 * int(c["dead"]) + 0.5 * noise[n])
    assert "'f99' separates patients with the event from censored patients" in found(tmp_path, told)["SB306"]


def test_all_but_one_with_the_event_are_warned_of(tmp_path, rows):
    last = len(rows) - 2
    assert "All but one of" in found(tmp_path, changed(rows, dead=lambda n, _: int(n != last)))["SB212"]


def test_the_year_of_diagnosis_is_not_called_like_an_outcome(tmp_path, rows):
    card = CARD.replace('["f*", volume]', '["f*", volume, yr, death_year]')
    years = changed(rows, yr=lambda n, _: 2008 + n % 7, death_year=lambda n, _: 2015 + n % 5)
    assert found(tmp_path, years, card=card).get("SB312", "").count("is named like an outcome") == 1
    assert "'death_year'" in found(tmp_path, years, card=card)["SB312"]


def test_one_cause_has_one_finding(tmp_path, rows):
    lost = changed(rows, days=lambda n, c: "none" if c["dead"] == "1" and n else c["days"], dead=lambda n, c: c["dead"])
    report = found(tmp_path, lost)
    assert "SB205" not in report or "SB211" not in report
    code = found(tmp_path, changed(rows, days=lambda n, c: 99999 if n == 3 else c["days"]))
    assert "SB208" in code
    assert "SB204" not in code
    short = found(tmp_path, changed(rows, days=lambda _, c: float(c["days"]) / 365))
    assert "SB204" in short
    assert "SB209" not in short


def test_another_endpoint_is_refused_by_values_or_warned_of_by_name(tmp_path, rows):
    card = CARD.replace('["f*", volume]', '["f*", volume, "PFS*", note]')
    earlier = changed(rows, PFS_days=lambda n, c: float(c["days"]) * (1 - 0.1 * (n % 3)), note=lambda n, _: n % 7)
    assert "'PFS_days' follows the endpoint's time" in found(tmp_path, earlier, card=card)["SB306"]
    by_name = changed(rows, PFS_days=lambda n, _: (7 * n) % 31, note=lambda n, _: n % 7)
    report = found(tmp_path, by_name, card=card)
    assert set(report) == {"SB312"}
    assert "'PFS_days' is named like an outcome" in report["SB312"]


def test_codes_of_what_became_of_the_patients_are_refused_under_any_name(tmp_path, rows):
    card = CARD.replace("clinical:", "clinical:\n  - {name: x, column: x, kind: numeric, model: true}")
    cause = changed(rows, x=lambda n, c: (1 + n // 2 % 2) * int(c["dead"]))
    assert "Clinical column 'x' reveals the event: each of its values" in found(tmp_path, cause, card=card)["SB306"]
    once = changed(rows, x=lambda n, c: (1 + n // 2 % 2) * int(c["dead"]) if n else 1)
    assert "SB306" not in found(tmp_path, once, card=card)
    stage = changed(rows, x=lambda n, c: 2 if n % 5 == 0 else int(c["dead"]))
    assert "SB306" not in found(tmp_path, stage, card=card)


LIKE_OUTCOMES = [
    "OS",
    "PFS_days",
    "pfsMonths",
    "vitalStatus",
    "vital_status",
    "status",
    "disease_status",
    "os_event",
    "Überlebenszeit",
    "exitus",
    "Exitus_letalis",
    "TTR",
    "treatment_failure",
    "local_failure",
    "last_contact_days",
    "days_to_last_contact",
    "time",
    "Monate",
    "death",
    "Todesdatum",
    "tot",
    "lebt_noch",
    "verstorben",
    "local_recurrence",
    "Lokalrezidiv",
    "récidive",
    "relapse",
    "time_to_progression",
    "censored",
    "survie",
    "follow_up",
    "FU_months",
    "overleden",
    "fallecido",
    "seguimiento",
    "decesso",
    "cause_of_death",
]
OF_BASELINE = [
    "performance_status",
    "smoking_status",
    "hpv_status",
    "original_glcm_Id",
    "wavelet-LLH_glcm_Imc1",
    "dose",
    "T",
    "N",
    "M",
    "age",
    "mtv_tot",
    "suv_sd",
    "vita_d",
    "programmed_death_ligand",
    "prior_relapse",
    "heart_failure",
    "death_risk_score",
    "living_alone",
    "lesion_count",
    "weight_loss",
    "uptake_time_min",
    "pack_years",
    "recurrent_laryngeal_nerve",
    "disease_stage",
    "tumor_volume",
    "survivin",
    "census_tract",
    "delai_diagnostic",
]


@pytest.mark.parametrize(("name", "like"), [*((n, True) for n in LIKE_OUTCOMES), *((n, False) for n in OF_BASELINE)])
def test_names_of_outcomes(name, like):
    assert named_like_outcome(name) == like


def test_text_columns_are_one_error_that_proposes_what_to_exclude(tmp_path, rows):
    card = CARD.replace('["f*", volume]', '["*"], exclude: [days, dead, age]')
    table = changed(
        rows,
        Image=lambda n, _: f"scan/{n}.nrrd",
        diagnostics_Versions=lambda _, __: "3.9.13",
        diagnostics_Spacing=lambda _, __: "(1 1 3)",
        diagnostics_Voxels=lambda n, _: n,
    )
    folder = write_table_cohort(tmp_path / "toy", table, card=card)
    (error,) = [f for f in validate_named(str(folder)).findings if f.severity == "error"]
    assert error.code == "SB310"
    assert error.remedy.endswith('exclude: ["days", "dead", "age", "Image", "diagnostics_*"].')
    once = changed(rows, f00=lambda n, c: "high" if n == 4 else c["f00"])
    assert set(found(tmp_path, once)) == {"SB305"}


# --- ids


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda n: f"{n}", lambda n: f"{n}.0"),
        (lambda n: f"{n}.0", lambda n: f"{n:03d}"),
        (lambda n: f"{n}", lambda n: f"{n:03d}"),
        (lambda n: f"P{n:04d}", lambda n: f"P{n}"),
        (lambda n: f"Mü{n}", lambda n: unicodedata.normalize("NFD", f"Mü{n}")),
    ],
)
def test_ids_of_two_tables_join_where_it_is_certain(tmp_path, rows, ours, theirs):
    folder = apart(tmp_path / "toy", rows, ours, theirs)
    in_letters = unicodedata.normalize("NFC", ours(1)) == unicodedata.normalize("NFC", theirs(1))
    assert list(codes(folder)) == ([] if in_letters else ["SB112"])
    cohort = load_source(str(folder), profile=load_profile("smoke")).cohort
    row = cohort.ids.index(ours(17))
    assert cohort.features.values[row] == pytest.approx([float(v) for v in rows[18][4:]])


@pytest.mark.parametrize(
    ("theirs", "differ"),
    [
        (lambda n: f"p{n:02d}", "upper and lower case"),
        (lambda n: f"{n:02d}", "the text around the number"),
        (lambda n: f"X-{'abcdefgh'[n % 8]}{n // 8}q", ""),
    ],
)
def test_ids_that_do_not_join_are_one_error_with_both_sides(tmp_path, rows, theirs, differ):
    folder = apart(tmp_path / "toy", rows, lambda n: f"P{n:02d}", theirs)
    (error,) = validate_named(str(folder)).findings
    assert (error.code, error.subject) == ("SB111", "")
    assert "P00, P01, P02, ..." in error.cause
    assert theirs(0) in error.cause
    assert differ in error.cause


def test_ids_that_would_be_the_same_are_never_joined(tmp_path, rows):
    twins = join(["1", "2", "3"], ["01", "02", "03", "1.0"])
    assert twins.of == {}
    assert join(["1", "2"], ["001", "002", "0003"]).of == {}
    assert join(["1", "2", "12"], ["01", "02", "12"]).of == {"1": "01", "2": "02", "12": "12"}
    both = {unicodedata.normalize(form, "Mü") for form in ("NFC", "NFD")}
    assert set(join(["Mü", "x"], [*both, "x"]).of) <= {"Mü", "x"}
    table = changed(rows, patient=lambda n, _: "1" if n == 0 else "01" if n == 1 else f"{n + 10}")
    folder = write_table_cohort(tmp_path / "toy", table)
    assert "SB105" in codes(folder)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("Mü{0}", unicodedata.normalize("NFD", "Mü{0}")), ("{0}", "{0:03d}"), ("S{0}", "S{0:04d}")],
)
def test_files_are_found_under_other_spellings_of_the_ids(tmp_path, ours, theirs):
    folder = respelled(tmp_path, ours, theirs)
    report = validate_named(str(folder))
    assert not {"SB401", "SB108", "SB111"} & {f.code for f in report.findings}
    assert len(load_source(str(folder), profile=load_profile("smoke")).cohort) == 12


def test_files_of_other_ids_are_one_error_by_pattern(tmp_path):
    folder = respelled(tmp_path, "S{0}", "T{0}")
    errors = [f for f in validate_named(str(folder)).findings if f.severity == "error"]
    assert {f.code for f in errors} == {"SB111"}
    assert len(errors) == 3
    assert "(S0, S1, S10, ...)" in errors[0].cause
    assert "(T0, T1, T10, ...)" in errors[0].cause


def test_rows_of_patients_whom_the_card_sets_aside_are_read_as_theirs(tmp_path, rows):
    folder = apart(tmp_path / "toy", rows, lambda n: f"{n}", lambda n: f"{n:03d}")
    table = folder / "patients.csv"
    table.write_text(table.read_text().replace("\n59,", "\npilot,"))
    card = folder / "cohort.yaml"
    card.write_text(card.read_text() + "patients: {without: [pilot, '58']}\n")
    found = {f.code: f.what for f in validate_named(str(folder)).findings}
    assert "The ids of 58 patients are spelled differently in the rows of features.csv" in found["SB112"]
    assert "has 1 row without a patient in patients.csv: 059." in found["SB107"]


def respelled(tmp_path, ours, theirs):
    folder = write_cohort(tmp_path / "toy")
    table = (folder / "clinical.csv").read_text(encoding="utf-8")
    for n in range(12):
        table = table.replace(f"P{n:02d}", ours.format(n))
        for path in sorted((folder / "images").glob(f"P{n:02d}_*")):
            path.rename(path.with_name(path.name.replace(f"P{n:02d}", theirs.format(n))))
    (folder / "clinical.csv").write_text(table, encoding="utf-8")
    return folder


# --- outcomes


def test_codes_1_and_2_are_one_error_with_what_is_probable(tmp_path, rows):
    table = changed(rows, dead=lambda n, _: 2 if n % 10 < 7 else 1)
    folder = write_table_cohort(tmp_path / "toy", table)
    (error,) = [f for f in validate_named(str(folder)).findings if f.severity == "error"]
    assert (error.code, error.subject) == ("SB202", "")
    assert "42 cells are 2, 18 are 1 and none is 0" in error.remedy
    assert "observed: [2] and censored: [1]" in error.remedy
    with pytest.raises(CohortError, match="Probably 1 is censored and 2 is the event"):
        load_source(str(folder), profile=load_profile("smoke"), skip_bad=True)


def test_blank_events_are_patients_problems_unless_one_kind_of_outcome_is_lost(tmp_path, rows):
    table = changed(rows, dead=lambda n, c: "" if n == 3 else c["dead"])
    folder = write_table_cohort(tmp_path / "toy", table)
    assert set(codes(folder)) == {"SB210"}
    assert len(load_source(str(folder), profile=load_profile("smoke"), skip_bad=True).cohort) == 59
    lost = changed(rows, days=lambda n, c: c["days"] if n % 2 else "0")
    folder = write_table_cohort(tmp_path / "lost", lost)
    with pytest.raises(CohortError, match="All 30 patients in the table who are censored have problems"):
        load_source(str(folder), profile=load_profile("smoke"), skip_bad=True)


@pytest.mark.parametrize(
    ("blank", "said"),
    [
        (lambda n: n % 2 == 0, "All 30 patients who are censored, and only these, have no time in column 'days'."),
        (lambda n: n % 2 == 1, "All 30 patients who had the event, and only these, have no time in column 'days'."),
        (lambda n: n % 2 == 0 or n == 7, "All 30 patients who are censored have no time in column 'days'."),
        (lambda n: n % 2 == 0 and n > 0, ""),
        (lambda _: True, ""),
    ],
)
def test_a_kind_of_outcome_without_times_is_one_error(tmp_path, rows, blank, said):
    folder = write_table_cohort(tmp_path / "toy", changed(rows, days=lambda n, c: "" if blank(n) else c["days"]))
    found = validate_named(str(folder)).findings
    whole = [f for f in found if (f.code, f.subject) == ("SB211", "")]
    assert [f.cause for f in whole if "no time" in f.cause] == ([said] if said else [])
    if said:
        assert "Make one column of times" in whole[0].remedy
        assert {f.subject for f in found if f.code == "SB201"} == ({"P07"} if blank(7) and blank(0) else set())


@pytest.mark.parametrize(("longest", "trips"), [(1825, True), (1826, True), (1830, False), (1600, True), (1827, False)])
def test_a_follow_up_that_ends_before_a_horizon_is_said(tmp_path, rows, longest, trips):
    table = changed(rows, days=lambda n, c: min(float(c["days"]), longest) if n > 2 else longest)
    report = found(tmp_path, table)
    assert ("SB209" in report) == trips
    if longest == 1826:
        assert "59.99 months: AUC, Brier score and calibration at 60 months cannot be computed" in report["SB209"]


@pytest.mark.parametrize(
    ("days", "dates"),
    [
        (lambda n: 41_000 + 7 * n, True),
        (lambda n: 20190100 + 1 + n % 28, True),
        (lambda n: 100 + 61 * n, False),
        (lambda n: 20190132 + 7 * n, False),
    ],
)
def test_dates_and_years_are_no_durations(tmp_path, rows, days, dates):
    assert ("SB213" in found(tmp_path, changed(rows, days=lambda n, _: days(n)))) == dates


# --- reading


def test_what_reading_the_tables_took_for_granted_is_a_note_each(tmp_path, rows):
    names, *patients = (";".join(row).replace(".", ",") for row in rows)
    apart = CARD.replace('columns: ["f*", volume]', 'table: features.csv, columns: ["f*", volume]')
    folder = write_table_cohort(tmp_path / "toy", rows, card=apart)
    (folder / "features.csv").write_text("\n".join([names, *patients, "* aus dem Register"]) + "\n", encoding="utf-8")
    table = "\n".join([",".join([*rows[0], "Größe"]), *(",".join([*row, "1"]) for row in rows[1:])])
    (folder / "patients.csv").write_text(f"Unsere Studie\n{table}\n", encoding="cp1252")
    report = validate_named(str(folder)).findings
    assert {(f.code, f.severity) for f in report} == {("SB112", "note")}
    assert [f.what for f in report][:3] == [
        "patients.csv: The file is not UTF-8; it was read as Western European text (cp1252).",
        "patients.csv: Lines above the names of columns were passed over as a title: line 1 ('Unsere Studie').",
        "features.csv: Lines below the patients were passed over as footnotes: line 62 ('* aus dem Register').",
    ]
    read = f"were read as numbers: f00 ('{rows[1][4].replace('.', ',')}' is {rows[1][4]}), f01 ("
    assert read in report[3].what
    assert report[3].what.endswith(" and 8 more columns.")
    assert len(report) == 4


def test_a_unit_that_the_name_of_the_time_contradicts_is_named(tmp_path, rows):
    short = changed(rows, days=lambda n, _: 5 + n * 7 % 60)
    what = found(tmp_path, short, card=CARD.replace("unit: days", "unit: weeks"))["SB204"]
    assert what == "The time column 'days' is named after days, but the card says weeks."


def test_a_column_whose_code_follows_the_event_is_named(tmp_path, rows):
    column = "  - {name: care, column: care, kind: categorical, levels: [ja, nein], model: true}\n"
    card = CARD.replace("licence", f"{column}licence")
    late = changed(rows, care=lambda n, c: "ja" if c["dead"] == "1" and n % 10 != 1 else "nein")
    assert "'care' follows the event of 'dead'" in found(tmp_path, late, card=card)["SB314"]
    honest = changed(rows, care=lambda n, c: "ja" if (c["dead"] == "1") == (n % 4 < 3) else "nein")
    assert "SB314" not in found(tmp_path, honest, card=card)


@pytest.mark.parametrize(
    "name",
    [
        "tijd_sinds_datum_diagnose",
        "maanden_vanaf_datum_operatie",
        "delai_date_diag_deces",
        "tempo_data_diagnosi",
        "semanas_fecha_dx",
        "durata_data",
        "overlevingstijd_vanaf_datum",
        "OS_date",
    ],
)
def test_a_duration_that_starts_at_a_date_is_one(tmp_path, rows, name):
    table = [[name if cell == "days" else cell for cell in row] for row in rows]
    folder = write_table_cohort(tmp_path / "toy", table, card=CARD.replace("time: days", f"time: {name}"))
    assert "SB213" not in codes(folder)


def test_codes_of_patients_who_all_had_the_event_tell_nothing(tmp_path, rows):
    table = changed(rows, dead=lambda *_: 1, relapse_site=lambda n, _: n % 3, salvage=lambda n, _: "" if n else 1)
    columns = "".join(
        f"\n  - {{name: {name}, column: {name}, kind: numeric, model: true}}" for name in ("relapse_site", "salvage")
    )
    folder = write_table_cohort(tmp_path / "toy", table, card=CARD.replace("clinical:", f"clinical:{columns}"))
    assert "SB306" not in codes(folder)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_correlations_of_many_columns_are_those_of_scipy(missing):
    rng = np.random.default_rng(0)
    columns, other = rng.integers(0, 9, (50, 6)).astype(float), rng.exponential(size=50)
    columns[:, 5] = 3
    columns[rng.random((50, 6)) < missing] = np.nan
    known = np.isfinite(columns)
    expected = [spearmanr(columns[k, n], other[k]).statistic for n, k in enumerate(known.T[:5])]
    assert rank_correlations(columns, other).tolist() == pytest.approx([*expected, 0.0])


def test_links_are_told_of_files_whose_names_spell_the_ids_otherwise(tmp_path):
    folder = respelled(tmp_path, "{}", "{:03d}")
    path = folder / "images" / "003_pet.nii.gz"
    path.rename(tmp_path / "moved.nii.gz")
    path.symlink_to(tmp_path / "moved.nii.gz")
    assert "1 of 36 files are links that lead out of the cohort's folder" in codes(folder)["SB417"]
