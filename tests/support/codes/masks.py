"""Codes of masks."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from codes.pair import Pairs
from cohort_folder import AFFINE, CARD, SHAPE, change, path_of, write_cohort, write_image

PAIRS = Pairs()
PATIENTS = 6
DISTANCE = np.linalg.norm(np.stack(np.indices(SHAPE), axis=-1) - 7.5, axis=-1)
HALVES = np.where(np.indices(SHAPE)[0] < 8, 1, 2)
CHOSEN = CARD.replace('_mask.nii.gz"}', '_mask.nii.gz", label: 1}')
LABELLED = CARD.replace('_mask.nii.gz"}', '_mask.nii.gz", labels: {gtvp: 1, gtvn: 2}}')
NARROW = CARD.replace("[64, 64, 64]", "[32, 32, 32]")
"""The field of view holds voxels 4 to 11 of each axis."""


def of_masks(code, card=CARD):
    """Add the pair of a function that returns P01's mask, of its ball."""

    def add(mask):
        @PAIRS.of_cohort(code)
        def write(folder, wrong):
            write_cohort(folder, PATIENTS, card=card)
            change(folder, "P01_mask", lambda ball: mask(ball, wrong))

        return mask

    return add


def box(*sides):
    """Return a mask between two indices of each axis."""
    mask = np.zeros(SHAPE)
    mask[tuple(slice(*side) for side in sides)] = 1
    return mask


@of_masks("SB501")
def empty(_, wrong):
    return box((8, 8 if wrong else 9), (8, 9), (8, 9))


@of_masks("SB502")
def tiny(_, wrong):
    return box((7, 10), (7, 10), (8, 9)) if wrong else box((7, 9), (6, 11), (8, 9))


@of_masks("SB503", NARROW)
def outside(_, wrong):
    return box((0, 3 if wrong else 6), (6, 10), (6, 10))


@of_masks("SB504", NARROW)
def cut(_, wrong):
    return box((2 if wrong else 5, 9), (6, 10), (6, 10))


@PAIRS.of_cohort("SB505")
def image(folder, wrong):
    write_cohort(folder, PATIENTS)
    pet = nib.load(path_of(folder, "P01_pet")).get_fdata()
    change(folder, "P01_mask", lambda ball: ball * (pet if wrong else 255))


@of_masks("SB506")
def everything(_, wrong):
    mask = np.zeros(SHAPE).ravel()
    mask[: round((0.97 if wrong else 0.92) * mask.size)] = 1
    return mask.reshape(SHAPE)


@of_masks("SB507")
def labels(ball, wrong):
    return ball * (HALVES if wrong else 1)


@of_masks("SB508", CHOSEN)
def label(ball, wrong):
    return ball * (2 if wrong else HALVES)


@of_masks("SB509")
def soft(_, wrong):
    shares = np.clip(4 - DISTANCE, 0, 1)
    return shares if wrong else shares >= 0.5


@of_masks("SB510")
def body(_, wrong):
    return (6.5 if wrong else 5.0) >= DISTANCE  # of a body of 7


@of_masks("SB511")
def off_uptake(ball, wrong):
    return np.roll(ball, 6 if wrong else 1, axis=0)


@of_masks("SB512", CHOSEN)
def further(ball, wrong):
    return ball * (HALVES if wrong else 1)


@PAIRS.of_cohort("SB513")
def in_air(folder, wrong):
    """The mask lies in a corner: in air, or in air that is as dense as a lung."""
    write_cohort(folder, PATIENTS)
    corner = box((0, 3), (0, 3), (0, 3))
    change(folder, "P01_mask", lambda _: corner)
    change(folder, "P01_ct", lambda ct: ct if wrong else np.where(corner, -850, ct))


@PAIRS.of_cohort("SB514")
def beyond(folder, wrong):
    """The CT, of voxels half as large, ends at half of the PET, or holds the whole tumour."""
    write_cohort(folder, PATIENTS)
    path = path_of(folder, "P01_ct")
    ct = np.kron(nib.load(path).get_fdata(), np.ones((2, 2, 2)))[: 16 if wrong else 30].astype(np.int16)
    write_image(path, ct, AFFINE @ np.diag([0.5, 0.5, 0.5, 1.0]))


def with_nodes(folder, node, card=LABELLED):
    """Write the cohort with a second structure in every mask."""
    write_cohort(folder, PATIENTS, card=card)
    for n in range(PATIENTS):
        change(folder, f"P{n:02d}_mask", lambda ball: np.where(node, 2, ball))


@PAIRS.of_cohort("SB515")
def undeclared(folder, wrong):
    with_nodes(folder, box((1, 3), (1, 3), (1, 3)))
    change(folder, "P01_mask", lambda mask: np.where(box((12, 14), (1, 3), (1, 3)), 3 if wrong else 2, mask))


@PAIRS.of_cohort("SB516")
def of_nobody(folder, wrong):
    write_cohort(folder, PATIENTS, card=LABELLED)
    node = box((1, 3), (1, 3), (1, 3))
    change(folder, "P01_mask", lambda ball: ball if wrong else np.where(node, 2, ball))


@PAIRS.of_cohort("SB517")
def structure_outside(folder, wrong):
    """The field of view holds voxels 4 to 11 of each axis: a node outside of it, or one that reaches into it."""
    with_nodes(folder, box((4, 5), (4, 5), (4, 5)), LABELLED.replace("[64, 64, 64]", "[32, 32, 32]"))
    far = box((2 if wrong else 3, 4 if wrong else 5), (5, 6), (5, 6))
    change(folder, "P01_mask", lambda mask: np.where(mask == 2, 0, np.where(far, 2, mask)))
