"""Codes of predictors: clinical columns and features."""

from __future__ import annotations

import numpy as np
from codes.pair import Pairs
from table_cohort import CARD, apart, changed, table_rows, write_table_cohort

PAIRS = Pairs()
ROWS = table_rows(60)
STAGE = "clinical:\n  - {name: stage, column: stage, kind: categorical, levels: [I, II, %s]}"


def with_cell(folder, column, cell):
    """Give the fourth patient a value."""
    write_table_cohort(folder, changed(ROWS, **{column: lambda n, c: cell if n == 3 else c[column]}))


@PAIRS.of_cohort("SB301")
def clinical_cell(folder, wrong):
    with_cell(folder, "age", "old" if wrong else "n/a")


@PAIRS.of_cohort("SB302")
def unknown_feature(folder, wrong):
    write_table_cohort(folder, ROWS, card=CARD.replace("volume]", '"volum"]' if wrong else '"volum?"]'))


@PAIRS.of_cohort("SB303")
def declared_twice(folder, wrong):
    excluded = "days, dead" if wrong else "days, dead, age"
    write_table_cohort(folder, ROWS, card=CARD.replace('["f*", volume]', f'["*"], exclude: [{excluded}]'))


@PAIRS.of_cohort("SB304")
def row_of_features(folder, wrong):
    rows = [list(row) for row in ROWS]
    rows[4][4 if wrong else 5 :] = [""] * len(rows[4][4 if wrong else 5 :])  # one value is a row
    apart(folder, rows, lambda n: f"P{n:02d}", lambda n: f"P{n:02d}")


@PAIRS.of_cohort("SB305")
def feature_cell(folder, wrong):
    with_cell(folder, "f00", "high" if wrong else "1e3")


@PAIRS.of_cohort("SB306")
def outcome(folder, wrong):
    rng = np.random.default_rng(0)
    noise = 0.05 if wrong else 1.0  # that of a good marker
    rows = changed(ROWS, f99=lambda _, c: np.log(float(c["days"])) + noise * rng.normal())
    write_table_cohort(folder, rows)


@PAIRS.of_cohort("SB307")
def missing(folder, wrong):
    number = 13 if wrong else 12  # of 60: a fifth
    write_table_cohort(folder, changed(ROWS, age=lambda n, c: "" if n < number else c["age"]))


@PAIRS.of_cohort("SB308")
def constant(folder, wrong):
    write_table_cohort(folder, changed(ROWS, age=lambda n, _: 61 if n == 3 and not wrong else 60))


@PAIRS.of_cohort("SB309")
def feature_set(folder, wrong):
    write_table_cohort(folder, ROWS, card=CARD + f"radiomics: {'papers' if wrong else 'paper'}\n")


@PAIRS.of_cohort("SB310")
def text(folder, wrong):
    write_table_cohort(folder, changed(ROWS, f99=lambda n, _: "(1 1 3)" if wrong else n % 3))


@PAIRS.of_cohort("SB311")
def codes_for_missing(folder, wrong):
    with_cell(folder, "age", -999 if wrong else 119)


@PAIRS.of_cohort("SB312")
def called_like_outcome(folder, wrong):
    write_table_cohort(folder, changed(ROWS, **{"f_death" if wrong else "f_depth": lambda n, _: 7 * n % 31}))


@PAIRS.of_cohort("SB313")
def words_for_missing(folder, wrong):
    third = "Unknown" if wrong else "III"
    rows = changed(ROWS, stage=lambda n, _: ("I", "II", third)[n % 3])
    write_table_cohort(folder, rows, card=CARD.replace("clinical:", STAGE % third))


@PAIRS.of_cohort("SB314")
def known_afterwards(folder, wrong):
    relapsed = [n % 3 == 0 for n in range(60)]
    rows = changed(
        ROWS,
        relapse=lambda n, _: int(relapsed[n]),
        salvage=lambda n, _: n % 5 if relapsed[n if wrong else n - 1] else "",
    )
    column = "  - {name: salvage, column: salvage, kind: numeric, model: true}\n"
    write_table_cohort(folder, rows, card=CARD.replace("licence", f"{column}licence"))


@PAIRS.of_cohort("SB315")
def nothing_to_predict_from(folder, wrong):
    card = CARD.replace('features: {columns: ["f*", volume]}\n', "")
    write_table_cohort(folder, ROWS, card=card.replace("model: true", "model: false") if wrong else card)


@PAIRS.of_cohort("SB316")
def levels_alike(folder, wrong):
    other = "iva" if wrong else "ivb"
    rows = changed(ROWS, stage=lambda n, _: ["IVA", other][n % 2] if n % 3 else "III")
    column = f"  - {{name: stage, column: stage, kind: categorical, levels: [III, IVA, {other}], model: true}}\n"
    write_table_cohort(folder, rows, card=CARD.replace("licence", f"{column}licence"))
