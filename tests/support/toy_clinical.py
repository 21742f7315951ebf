"""Patients with clinical columns of each kind, and nothing else."""

from __future__ import annotations

from survbench.cohort import ClinicalColumn, Subject, UnlabelledCohort

COLUMNS = (
    ClinicalColumn("age", "numeric"),
    ClinicalColumn("stage", "ordinal", ("I", "II", "III")),
    ClinicalColumn("site", "categorical", ("a", "b", "c")),
)


def patients(rows):
    """Return patients with (age, stage, site) each."""
    subjects = tuple(
        Subject(f"P{i}", "A", dict(zip(("age", "stage", "site"), row, strict=True)), {}) for i, row in enumerate(rows)
    )
    return UnlabelledCohort(subjects=subjects, clinical_columns=COLUMNS)
