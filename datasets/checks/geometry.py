"""Checks of the position of images in space."""

from __future__ import annotations

from collections.abc import Iterator

from survbench.datasets.cards.card import CohortCard
from survbench.datasets.checks.facts import PatientFacts
from survbench.datasets.checks.kinds import InputCheck, PatientCheck
from survbench.findings import Finding

FORMS_APART = 0.25
"""Part of a voxel by which sform and qform may differ at a corner, because both are rounded."""


class Misplaced(InputCheck):
    """A mask is not on the grid of any image, or two images of a patient do not overlap in space.

    A mask is on an image's grid if each of its voxels coincides with a voxel of the image, in whatever order they are
    stored; it is read in the image's order.
    """

    code = "SB403"
    severity = "error"
    part = "images"
    title = "Images of a patient do not fit together"
    remedy = "Register or export the images again, or leave the patient out."
    needs = "files"


class NoOrientation(PatientCheck):
    """The header of a file states no orientation (its sform and qform codes are 0), so left and right are guessed."""

    code = "SB404"
    severity = "warning"
    part = "images"
    title = "Files state no orientation"
    remedy = "Left and right are guessed; export the files with an orientation."

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        names = [name for name in facts.images if not facts.files[name].oriented]
        if names:
            cause = "Files state no orientation (sform and qform codes are 0)."
            yield self.finding(cause, detail=", ".join(names))


class FormsDiffer(PatientCheck):
    """A file's header places the image in space twice, by its sform and by its qform, and the two differ.

    The sform is used. The many programs that use the qform show the image, or draw the mask, elsewhere.
    """

    code = "SB416"
    severity = "warning"
    part = "images"
    title = "The sform and the qform of a file differ"
    remedy = "The sform is used. Check that image and mask overlap by the sform, and write the same geometry to both."
    counts = "files"

    def of_patient(self, _card: CohortCard, facts: PatientFacts) -> Iterator[Finding]:
        """See :class:`PatientCheck`."""
        for name, file in facts.files.items():
            if file.forms_apart_mm > FORMS_APART * file.voxel_mm:
                sform, qform = file.axes
                turned = f", {sform} against {qform}" if sform != qform else ""
                detail = f"{name} by {file.forms_apart_mm:.3g} mm{turned}"
                yield self.finding("The sform and the qform of a file differ.", detail=detail)
