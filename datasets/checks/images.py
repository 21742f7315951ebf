"""Checks of images: their files, where they lie in space, and what they hold."""

from __future__ import annotations

from survbench.findings import Check


class MissingFile(Check):
    """The card's pattern leads to no file for a patient, or to one outside of the cohort's folder."""

    code = "SB401"
    severity = "error"
    part = "images"
    title = "A file is missing"
    remedy = "Add the file, or correct the pattern in the card."
    counts = "files"


class UnreadableFile(Check):
    """A file is damaged, truncated, of another format, or has a header that makes no sense."""

    code = "SB402"
    severity = "error"
    part = "images"
    title = "A file cannot be read"
    counts = "files"


class Misplaced(Check):
    """A mask lies on the grid of no image, or two images of a patient do not overlap in space."""

    code = "SB403"
    severity = "error"
    part = "images"
    title = "Images of a patient do not fit together"


class NoOrientation(Check):
    """The header of a file states no orientation (its sform and qform codes are 0), so left and right are a guess."""

    code = "SB404"
    severity = "warning"
    part = "images"
    title = "Files state no orientation"
    remedy = "Left and right are guessed; export with an orientation."


class SameImage(Check):
    """The same image, or the same row of ten features or more, stands for two patients: one of them would be trained on
    and the other tested with.
    """

    code = "SB405"
    severity = "error"
    part = "images"
    title = "Two patients have the same data"
    remedy = "Keep one."


class ConstantImage(Check):
    """All voxels of an image have one value."""

    code = "SB406"
    severity = "error"
    part = "images"
    title = "An image is constant"
    remedy = "Export it again."


class NotSuv(Check):
    """A PET below -1 or above 200 is no SUV: it may be a CT, or activity in Bq/ml."""

    code = "SB407"
    severity = "error"
    part = "images"
    title = "A PET is not in SUV"


class NotHounsfield(Check):
    """A CT that does not reach from air (-400 HU) to soft tissue (100 HU) is not in HU, or is no CT."""

    code = "SB408"
    severity = "warning"
    part = "images"
    title = "A CT is unlike HU"
    remedy = "Correct the file pattern, or rescale to HU."


class PaddingRanksPatients(Check):
    """The share of the field of view that was scanned differs between patients: a network can learn the tumour's size,
    or the scanner, from the padding.
    """

    code = "SB409"
    severity = "warning"
    part = "images"
    title = "The scanned share differs between patients"
    remedy = "Networks may learn the padding; compare with the reference row 'padding'."


class NotPrepared(Check):
    """A patient's volumes could not be resampled or its radiomics not be extracted."""

    code = "SB410"
    severity = "error"
    part = "images"
    title = "A patient cannot be prepared"
    remedy = "Fix the file, or leave the patient out."
