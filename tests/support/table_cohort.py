"""Writes a small cohort that is a table of features alone, as a user would have it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
