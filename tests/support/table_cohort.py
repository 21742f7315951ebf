"""Writes a small cohort that is a table of features alone, as a user would have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from survbench.datasets.cohorts.opened import open_cohorts
from survbench.plan.profile import load_profile

CARD = """
name: toy-table
title: Toy table
table: patients.csv
id: patient
endpoint: {name: OS, time: days, event: dead, unit: days}
features: {columns: ["f*", volume]}
clinical:
  - {name: age, column: age, kind: numeric, model: true}
licence: CC0
citation: none
"""
FEATURES = (*(f"f{n:02d}" for n in range(12)), "volume")


def table_rows(patients: int = 24, *, seed: int = 0) -> list[list[str]]:
    """Return the header and a row per patient; the volume shortens survival, every second patient has an event."""
    rng = np.random.default_rng(seed)
    rows = [["patient", "days", "dead", "age", *FEATURES]]
    for n in range(patients):
        values = rng.normal(size=len(FEATURES))
        days = 900 * np.exp(-0.5 * values[-1] + 0.5 * rng.normal())
        rows.append([f"P{n:02d}", f"{days:.0f}", str(n % 2), str(50 + n), *(f"{v:.6f}" for v in values)])
    return rows


def write_table_cohort(folder: Path, rows: list[list[str]], *, card: str = CARD) -> Path:
    """Write table and card; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "patients.csv").write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    (folder / "cohort.yaml").write_text(card, encoding="utf-8")
    return folder


def changed(rows, **columns):
    """Return the rows with columns replaced or added, each a function of the row's number and its cells by name."""
    names = [*rows[0], *(name for name in columns if name not in rows[0])]
    table = [names]
    for n, row in enumerate(rows[1:]):
        cells = dict(zip(rows[0], row, strict=True))
        table.append([str(columns[name](n, cells)) if name in columns else cells[name] for name in names])
    return table


def lesions(rows, names, *, same=True):
    """Return the rows with two to a patient, called by ``names``; ``same`` gives both the time of the first."""

    def days(n, cells):
        return rows[1 + n - n % 2][1] if same else cells["days"]

    return changed(rows, patient=lambda n, _: names(n), days=days, dead=lambda n, _: n // 2 % 2)


def apart(folder, rows, ours, theirs, *, name="features.csv"):
    """Write features into a table of their own; ``ours`` and ``theirs`` spell the ids."""
    card = CARD.replace("features: {", f"features: {{table: {name}, ")
    own = [r[:4] for r in rows]
    for n, row in enumerate(own[1:]):
        row[0] = ours(n)
    write_table_cohort(folder, own, card=card)
    features = [[rows[0][0], *rows[0][4:]], *([theirs(n), *r[4:]] for n, r in enumerate(rows[1:]))]
    (folder / name).write_text("\n".join(",".join(r) for r in features) + "\n", encoding="utf-8")
    return folder


def with_external(folder, change, *, endpoint="OS", base=float, unit="days", events=None):
    """Return how an external cohort differs in which values of f02, as ``base`` makes them, are changed, and which may
    have another endpoint or unit of times, or so many events.
    """
    feature = 4 + FEATURES.index("f02")
    for name, seed in (("main", 0), ("other", 1)):
        rows = table_rows(40, seed=seed)
        for row in rows[1:]:
            value = base(float(row[feature]))
            row[feature] = str(change(value) if name == "other" else value)
        if name == "other" and events is not None:
            rows = changed(rows, dead=lambda n, _: int(n < events))
        card = CARD.replace("toy-table", name)
        if name == "other":
            card = card.replace("unit: days", f"unit: {unit}")
        write_table_cohort(folder / name, rows, card=card.replace("OS", endpoint) if name == "other" else card)
    names = [(str(folder / name), None) for name in ("main", "other")]
    return open_cohorts(names, profile=load_profile("smoke")).differences()
