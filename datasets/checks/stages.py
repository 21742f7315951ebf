"""Checks of patients who are chosen by their stage group."""

from __future__ import annotations

from survbench.datasets.checks.kinds import InputCheck


class Restaged(InputCheck):
    """The card chooses patients by their stage group, in which case every group is counted, as recorded and by T, N and
    M in the 8th edition of the AJCC.

    Further lines name the patients whose group in the 8th edition T, N and M alone do not decide.
    docs/reference/staging.md has the table.
    """

    code = "SB114"
    severity = "note"
    part = "table"
    needs = "columns"
    sections = ("stage",)
    title = "Patients were chosen by stage group"
    remedy = "Report how the stage was determined."


class StageDisagrees(InputCheck):
    """The recorded stage group is not that of the recorded T, N and M in the 7th edition of the AJCC.

    One of them is wrong, or the group is of another edition.
    """

    code = "SB115"
    severity = "warning"
    part = "table"
    needs = "columns"
    sections = ("stage",)
    title = "The recorded stage group disagrees with T, N and M"
    remedy = "Correct the cells if the record is at hand; else report which of the two was used."


class StageUnknown(InputCheck):
    """A patient has no stage group by which to be chosen: the recorded group, or T, N or M, is blank or unclear.

    Such a patient is left out of the cohort.
    """

    code = "SB116"
    severity = "warning"
    part = "table"
    needs = "columns"
    sections = ("stage",)
    title = "A patient without a stage group was left out"
    remedy = "Fill in the cells, or accept that these patients are left out."
