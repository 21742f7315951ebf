"""Checks of a cohort's table: its columns, its rows and its ids."""

from __future__ import annotations

from collections.abc import Iterator

from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.kinds import CohortCheck, InputCheck
from survbench.datasets.vocabulary.words import means_missing
from survbench.findings import Finding
from survbench.io.tables import canonical


class MissingColumn(InputCheck):
    """The card names a column that the table does not have.

    Names are compared letter by letter; the nearest name is suggested.
    """

    code = "SB101"
    severity = "error"
    part = "table"
    title = "A column on the card is not in the table"
    remedy = "Correct the name on the card or in the table."
    needs = "table"


class UnknownChoice(InputCheck):
    """``patients`` on the card selects rows by a code or an id that no row has, so it probably contains a mistake."""

    code = "SB102"
    severity = "error"
    part = "table"
    title = "No row matches 'patients' on the card"
    needs = "columns"
    remedy = "Correct 'patients' on the card."


class NoId(InputCheck):
    """A row without an id cannot be joined to images or features, nor be put into a fold."""

    code = "SB103"
    severity = "error"
    part = "table"
    title = "A row has no id"
    remedy = "Fill in the id, or remove the row."
    counts = "rows"


class UnusableId(InputCheck):
    """An id is used in file names and in tables that spreadsheets open.

    It must therefore not lead to another folder, contain invisible characters, begin like a formula, or be longer than
    100 characters.
    """

    code = "SB104"
    severity = "error"
    part = "table"
    title = "An id cannot be used"
    remedy = "Give the patient another id."


class RepeatedId(InputCheck):
    """Two rows with the same id could be in two folds: the same patient would be used for training and for testing.

    Ids that differ only invisibly (Unicode forms of the same letters) count as the same.
    """

    code = "SB105"
    severity = "error"
    part = "table"
    title = "An id occurs in more than one row"
    counts = "rows"
    remedy = "Keep one row per patient."


class BlankCentre(InputCheck):
    """The card names a centre column, and a patient has no value in it."""

    code = "SB106"
    severity = "error"
    part = "table"
    title = "A patient has no centre"
    needs = "columns"
    sections = ("centre",)
    remedy = "Fill it in, or remove 'centre' from the card."


class UnknownCentre(CohortCheck):
    """The name of a centre means that it is not known. Such patients are treated as if they came from one more
    hospital.
    """

    code = "SB113"
    severity = "warning"
    part = "table"
    title = "The name of a centre means 'not known'"
    remedy = "Fill in the cells, or remove 'centre' from the card."
    sections = ("centre",)

    def find(self, source: SourceCohort) -> Iterator[Finding]:
        """See :class:`CohortCheck`."""
        unknown = {canonical(cell) for cell in source.card.missing}
        for subject in source.cohort.subjects if source.card.centre is not None else ():
            centre = subject.centre
            if canonical(centre) in unknown or means_missing(centre):
                yield self.finding(f"The centre {centre!r} is treated as a separate centre.", subject=subject.id)


class BlankGroup(InputCheck):
    """The card names a group column, whose rows stay in one fold, and a row has no value in it."""

    code = "SB109"
    severity = "error"
    part = "table"
    title = "A row has no group"
    needs = "columns"
    sections = ("group",)
    remedy = "Fill it in (a row without a group gets a name of its own), or remove 'group' from the card."


class IdsDoNotJoin(InputCheck):
    """No id of the table occurs in the feature table, or in the file names; or two ids would become the same.

    Ids are matched only where this is certain: letters in another Unicode form, whole numbers written like 1.0
    throughout, and leading zeros if all ids on the side that has them have the same length.
    """

    code = "SB111"
    severity = "error"
    part = "table"
    title = "Ids of two tables, or of a table and files, do not match"
    sections = ("features", "images")
    remedy = "Write the ids the same way on both sides."


class ReadOtherwise(InputCheck):
    """Reading a table needed a decision about its encoding, decimal commas, or lines that are not patients.

    Decisions are made only where they are certain; check that they are right. docs/reference/cohort-card.md says how
    tables are read.
    """

    code = "SB112"
    severity = "note"
    part = "table"
    title = "Reading a table needed decisions"
    needs = "table"
    remedy = "Check that the table was read as intended."


class RowsOfNobody(InputCheck):
    """The feature table has rows whose ids are not in the table of patients."""

    code = "SB107"
    severity = "warning"
    part = "table"
    title = "Feature rows belong to no patient"
    needs = "features"
    sections = ("features",)
    remedy = "Add the patients, or remove the rows."


class FilesOfNobody(InputCheck):
    """Files that match the card's patterns have ids that are not in the table."""

    code = "SB108"
    severity = "warning"
    part = "table"
    title = "Files belong to no patient"
    sections = ("images",)
    counts = "files"
    remedy = "Add the rows, or move the files away."
