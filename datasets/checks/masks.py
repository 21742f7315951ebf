"""Checks of the tumour mask."""

from __future__ import annotations

from survbench.findings import Check


class EmptyMask(Check):
    """No voxel of the mask means tumour."""

    code = "SB501"
    severity = "error"
    part = "mask"
    title = "A mask is empty"
    remedy = "Draw it, correct mask.label, or leave the patient out."


class TinyMask(Check):
    """A mask of a single voxel has no shape and no texture."""

    code = "SB502"
    severity = "warning"
    part = "mask"
    title = "A mask has a single voxel"
    remedy = "Radiomics needs more; check the mask."


class MaskOutside(Check):
    """The whole mask lies outside the field of view."""

    code = "SB503"
    severity = "error"
    part = "mask"
    title = "A mask lies outside the field of view"
    remedy = "Check reference and field_of_view_mm."


class MaskCut(Check):
    """More than 2 % of the tumour lie outside the field of view."""

    code = "SB504"
    severity = "warning"
    part = "mask"
    title = "The field of view cuts a tumour"
    remedy = "A larger field_of_view_mm would hold it."
