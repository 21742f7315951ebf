"""Measure a run on a large table of features.

The table is random, with 200 features of up to 100,000 patients by default. A Lasso-Cox chooses its penalty on inner
folds; metrics and 1,000 resamples follow. Prints wall and CPU seconds, and the memory.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from processes import watched
from timing import BENCH, table, three_digits

METHOD = "radiomics-lasso-cox"
CARD = """
name: large-table
title: Large table
table: patients.csv
id: patient
endpoint: {name: OS, time: months, event: dead, unit: months}
features: {columns: ["f*"]}
licence: CC0
citation: none
"""
PROFILE = """
name: large-table
description: Two folds, 1,000 resamples.
voxels: 32
folds: 2
phantom: {train: 24, external: 8, event_rate: 0.6, external_event_rate: 0.6}
training: {steps: 6, batch_size: 4, batch_norm_momentum: 0.1, evaluations: 2}
tuning: {trials: 3, inner_folds: 2}
resamples: 1000
job_timeout_s: 3600
"""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[25_000, 50_000, 100_000])
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    rows = []
    for patients in chosen.patients:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_cohort(folder / "cohort", patients, chosen.features)
            (folder / "profile.yaml").write_text(PROFILE, encoding="utf-8")
            words = (BENCH, "run", "--methods", METHOD, "--cohort", folder / "cohort")
            words += ("--profile", folder / "profile.yaml", "--workers", str(chosen.workers), "--out", folder / "out")
            took = watched(words)
        figures = (took.wall, took.cpu, took.parent, took.other, took.together)
        rows.append([f"{patients:,}", *map(three_digits, figures)])
    head = ("patients", "wall s", "CPU s", "MB, run", "MB, a job", "MB, all at once")
    table(f"{METHOD}, {chosen.features} features, {chosen.workers} workers", head, rows)


def write_cohort(folder: Path, patients: int, features: int) -> None:
    """Write a cohort whose hazard follows ten of its features."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(patients, features))
    until_event = rng.exponential(30 * np.exp(-values[:, :10] @ np.linspace(0.5, -0.5, 10)))
    until_censored = rng.exponential(60, patients)
    columns = {
        "patient": [f"P{n:06d}" for n in range(patients)],
        "months": np.minimum(until_event, until_censored) + 0.1,
        "dead": (until_event <= until_censored).astype(int),
    }
    content = pd.DataFrame(columns).join(pd.DataFrame(values, columns=[f"f{n:03d}" for n in range(features)]))
    folder.mkdir(parents=True)
    content.to_csv(folder / "patients.csv", index=False, float_format="%.6f")
    (folder / "cohort.yaml").write_text(CARD, encoding="utf-8")


if __name__ == "__main__":
    main()
