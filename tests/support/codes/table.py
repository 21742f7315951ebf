"""Codes of tables: columns, rows and ids."""

from __future__ import annotations

from codes.pair import Pairs
from cohort_folder import path_of, write_cohort
from table_cohort import CARD, apart, changed, lesions, table_rows, write_table_cohort

PAIRS = Pairs()
ROWS = table_rows(60)


def with_id(folder, name):
    """Call the fourth patient so."""
    write_table_cohort(folder, changed(ROWS, patient=lambda n, c: name if n == 3 else c["patient"]))


@PAIRS.of_cohort("SB101")
def column(folder, wrong):
    write_table_cohort(folder, ROWS, card=CARD.replace("time: days", "time: Days" if wrong else "time: days"))


@PAIRS.of_cohort("SB102")
def choice(folder, wrong):
    chosen = f"patients: {{without: [{'P60' if wrong else 'P59'}]}}\n"
    write_table_cohort(folder, ROWS, card=CARD + chosen)


@PAIRS.of_cohort("SB103")
def no_id(folder, wrong):
    with_id(folder, "" if wrong else "0")


@PAIRS.of_cohort("SB104")
def formula(folder, wrong):
    with_id(folder, "=P03" if wrong else "P=03")


@PAIRS.of_cohort("SB105")
def repeated_id(folder, wrong):
    with_id(folder, "P02" if wrong else "p02")


@PAIRS.of_cohort("SB106")
def centre(folder, wrong):
    blank = "" if wrong else "0"
    rows = changed(ROWS, hospital=lambda n, _: blank if n == 3 else "A")
    write_table_cohort(folder, rows, card=CARD + "centre: hospital\n")


@PAIRS.of_cohort("SB107")
def rows_of_nobody(folder, wrong):
    apart(folder, ROWS, lambda n: f"P{n:02d}", lambda n: f"P{n:02d}")
    table = folder / "patients.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1] if wrong else lines) + "\n")


@PAIRS.of_cohort("SB108")
def files_of_nobody(folder, wrong):
    write_cohort(folder, 6)
    # a file that does not fit the pattern is nobody's business
    stranger = path_of(folder, "P06_pet" if wrong else "P06_pet_old")
    stranger.write_bytes(path_of(folder, "P00_pet").read_bytes())


@PAIRS.of_cohort("SB109")
def group(folder, wrong):
    blank = "" if wrong else "alone"
    rows = changed(ROWS, household=lambda n, _: blank if n == 3 else f"F{n}")
    write_table_cohort(folder, rows, card=CARD + "group: household\n")


@PAIRS.of_cohort("SB110")
def rows_of_one_patient(folder, wrong):
    write_table_cohort(folder, lesions(ROWS, lambda n: f"P{n // 2:02d}_L{n % 2}", same=wrong))


@PAIRS.of_cohort("SB111")
def ids_of_two_tables(folder, wrong):
    # all are equally long, so zeros may be left out; another case is another id
    theirs = (lambda n: f"p{n:02d}") if wrong else (lambda n: f"P{n}")
    apart(folder, ROWS, lambda n: f"P{n:02d}", theirs)


@PAIRS.of_cohort("SB112")
def read_otherwise(folder, wrong):
    write_table_cohort(folder, ROWS)
    table = folder / "patients.csv"
    text = table.read_text().replace(",", ";")
    table.write_text(text.replace(".", ",") if wrong else text)


@PAIRS.of_cohort("SB113")
def unknown_centre(folder, wrong):
    rows = changed(table_rows(60), site=lambda n, _: ("unbekannt" if wrong else "Unna") if n == 0 else "Bonn")
    write_table_cohort(folder, rows, card=CARD.replace("endpoint:", "centre: site\nendpoint:"))


def staged(folder, cells, *, kept=None):
    """Write a cohort of patients of stage III, of whom the fourth has these cells."""
    rows = changed(
        ROWS,
        **{
            name: lambda n, _, at=at, usual=usual: cells[at] if n == 3 else usual
            for at, (name, usual) in enumerate(STAGE_III)
        },
    )
    chosen = "patients: {stage: {rules: nasopharynx, by: restaged, keep: {III: [III], IVa: [IVA]}}}\n"
    write_table_cohort(folder, rows, card=CARD + (chosen if kept is None else kept))


STAGE_III = (("T", "T3"), ("N", "N1"), ("TNM", "Stage III"))


@PAIRS.of_cohort("SB114")
def chosen_by_stage(folder, wrong):
    staged(folder, ["T1", "N2b", "III"], kept=None if wrong else "")


@PAIRS.of_cohort("SB115")
def stage_that_disagrees(folder, wrong):
    staged(folder, ["T3", "N2", "IV" if wrong else "III"])


@PAIRS.of_cohort("SB116")
def no_stage(folder, wrong):
    staged(folder, ["Tx" if wrong else "T4a", "N2", "IVA"])
