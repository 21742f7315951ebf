"""Codes of images: files, geometry, and the numbers in them."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
from codes.pair import Pairs
from cohort_folder import AFFINE, CARD, SHAPE, change, path_of, put, scale_pet, write_cohort, write_image
from registered_folder import registered_card, write_registered
from survbench.actions.planning import open_request, prepare_cohort, prepare_cohorts
from survbench.actions.request import Request
from survbench.actions.watcher import Silent
from survbench.datasets.checks.facts import PatientFacts, RegistrationFacts
from survbench.datasets.checks.registration import RegistrationFar
from survbench.datasets.readers.manifest import FileState, write_manifest
from survbench.findings import CohortError
from survbench.plan.profile import load_profile

PAIRS = Pairs()
PATIENTS = 6


def of_images(code):
    """Add the pair of a function that changes the files of a good cohort."""

    def add(alter):
        @PAIRS.of_cohort(code)
        def write(folder, wrong):
            alter(write_cohort(folder, PATIENTS), wrong)

        return alter

    return add


def with_header(path, alter):
    image = nib.load(path)
    alter(image, image.affine.copy())
    nib.save(image, path)


@of_images("SB401")
def missing(folder, wrong):
    path = path_of(folder, "P01_ct")
    path.rename(path.with_name("P01_CT.nii.gz"))
    if not wrong:
        path.symlink_to(path.with_name("P01_CT.nii.gz"))


@of_images("SB402")
def damaged(folder, wrong):
    change(folder, "P01_pet", put(np.s_[0, 0, 0], np.inf if wrong else 3.0))


@of_images("SB403")
def misplaced(folder, wrong):
    moved = AFFINE.copy()
    moved[0, 3] = 4.0 if wrong else 0.01
    path = path_of(folder, "P01_mask")
    write_image(path, nib.load(path).get_fdata().astype(np.uint8), moved)


@of_images("SB404")
def orientation(folder, wrong):
    def alter(image, affine):
        image.set_sform(affine, code=0)
        image.set_qform(affine, code=0 if wrong else 1)

    with_header(path_of(folder, "P01_ct"), alter)


@of_images("SB405")
def same_image(folder, wrong):
    path_of(folder, "P01_pet").write_bytes(path_of(folder, "P00_pet").read_bytes())
    if not wrong:
        change(folder, "P01_pet", put(np.s_[8, 8, 8], 7.0))


@of_images("SB406")
def constant(folder, wrong):
    change(folder, "P01_ct", lambda v: v * 0 + 40)
    if not wrong:
        change(folder, "P01_ct", put(np.s_[8, 8, 8], 41))


@of_images("SB407")
def suv(folder, wrong):
    change(folder, "P01_pet", put(np.s_[8, 8, 8], 201 if wrong else 199))


@of_images("SB408")
def hounsfield(folder, wrong):
    for n in range(PATIENTS):
        change(folder, f"P{n:02d}_ct", put(np.s_[8, 8, 8], 101))
    change(folder, "P01_ct", lambda v: v.clip(-399 if wrong else -401))


@of_images("SB409")
def padding(folder, wrong):
    for n in range(0, PATIENTS, 2 if wrong else 1):  # what all lack tells nothing of anybody
        change(folder, f"P{n:02d}_pet", put(np.s_[10:], 0))
        change(folder, f"P{n:02d}_ct", put(np.s_[10:], -1000))


@PAIRS.of("SB410")
def prepared(folder, wrong):
    """The field of view holds the middle of the images, in which a CT has one value."""
    write_cohort(folder / "toy", PATIENTS, card=CARD.replace("[64, 64, 64]", "[24, 24, 24]"))
    middle = np.s_[3:13, 3:13, 3:13]
    change(folder / "toy", "P01_ct", put(middle, 40))
    if not wrong:
        change(folder / "toy", "P01_ct", put(np.s_[8, 8, 8], 60))
    request = Request(
        profile=load_profile("smoke"), methods="volume", cohort=str(folder / "toy"), out=folder / "out", workers=1
    )
    try:
        prepare_cohort(request)
    except CohortError as error:
        return error.findings
    return ()


@of_images("SB411")
def pet_unit(folder, wrong):
    scale_pet(folder, (2, 4), 6 if wrong else 2)


@of_images("SB412")
def padded_ct(folder, wrong):
    change(folder, "P01_ct", put(np.s_[:2], -2000 if wrong else -1024))


@of_images("SB413")
def shifted(folder, wrong):
    change(folder, "P01_ct", lambda v: v + (1024 if wrong else 100))


@of_images("SB414")
def absent(folder, wrong):
    change(folder, "P01_pet", put(np.s_[:, :, :3], np.nan if wrong else 0))


@of_images("SB415")
def absent_in_mask(folder, wrong):
    change(folder, "P01_pet", put(np.s_[: 8 if wrong else 4], np.nan))


@of_images("SB416")
def forms(folder, wrong):
    def alter(image, affine):
        beside = affine.copy()
        beside[1, 3] += 1.5 if wrong else 0.5  # of a voxel of 4 mm
        image.set_sform(affine, code=1)
        image.set_qform(beside, code=1)

    with_header(path_of(folder, "P01_mask"), alter)


@of_images("SB417")
def links(folder, wrong):
    path = path_of(folder, "P01_pet")
    target = (folder.parent if wrong else folder) / "moved.nii.gz"
    path.rename(target)
    path.symlink_to(target)


def with_manifest(folder):
    """Write the manifest of a cohort as it is."""
    images = sorted((folder / "images").iterdir())
    write_manifest(folder, {f"images/{path.name}": FileState.of(path.read_bytes()) for path in images})


@of_images("SB418")
def altered(folder, wrong):
    with_manifest(folder)
    if wrong:
        change(folder, "P01_pet", put(np.s_[0, 0, 0], 3.0))


@of_images("SB419")
def unlisted(folder, wrong):
    path = path_of(folder, "P01_pet")
    content = path.read_bytes()
    if wrong:
        path.unlink()
    with_manifest(folder)
    path.write_bytes(content)


@of_images("SB430")
def copied(folder, wrong):
    pet = nib.load(path_of(folder, "P00_pet")).get_fdata()
    steps = np.round(pet * 5000) / 5000  # as a file of 16 bits has it
    change(folder, "P01_pet", lambda v: (steps if wrong else (steps + v) / 2)[::-1])


@of_images("SB431")
def low_pet(folder, wrong):
    scale_pet(folder, range(PATIENTS), 0.1 if wrong else 0.3)  # of a body of 0.6


@PAIRS.of("SB608")
def copied_across(folder, wrong):
    """An external cohort of other patients, of whom P01 may have the PET of the cohort's P02."""
    first, other = folder / "first", folder / "other"
    for cohort in (first, other):
        write_cohort(cohort, PATIENTS, card=CARD.replace("name: toy", f"name: {cohort.name}"))
    for n in range(PATIENTS):
        noise = np.random.default_rng(100 + n).uniform(0, 0.4, SHAPE)
        change(other, f"P{n:02d}_pet", lambda v, noise=noise: v + noise)
        change(other, f"P{n:02d}_ct", lambda v, noise=noise: v + 100 * noise)
        change(other, f"P{n:02d}_mask", lambda v: np.roll(v, 1, axis=0))
    pet = nib.load(path_of(first, "P02_pet")).get_fdata()
    if wrong:
        change(other, "P01_pet", lambda _: np.round(pet * 5000) / 5000)
    request = Request(
        profile=load_profile("smoke"),
        methods="volume",
        cohort=str(first),
        external=str(other),
        out=folder / "out",
        workers=1,
        ignored=("SB609",),  # the ids and outcomes are the same
    )
    cohorts, _ = open_request(request)
    prepare_cohorts(cohorts, request, Silent())
    return cohorts.sources[1].findings


@PAIRS.of_cohort("SB440")
def no_template(folder, wrong):
    write_registered(folder, 4, card=registered_card(f"{{template: {'P0' if wrong else 'P00'}, channel: ct}}"))


@PAIRS.of_cohort("SB441")
def not_registered(folder, wrong):
    write_registered(folder, 4)
    if wrong:
        path = path_of(folder, "P01_ct")
        noise = np.random.default_rng(0).permutation(nib.load(path).get_fdata().ravel())
        write_image(path, noise.reshape(nib.load(path).shape).astype(np.int16), nib.load(path).affine)


@PAIRS.of("SB442")
def far_registration(_folder, wrong):
    template = RegistrationFacts.of_the_template()
    angles = [*np.linspace(2, 6, 9), 30 if wrong else 6]
    registered = {f"P{n:02d}": replace(template, rotation_deg=float(angle)) for n, angle in enumerate(angles)}
    facts = {name: PatientFacts({}, {}, None, 1.0, of) for name, of in registered.items()}
    return list(RegistrationFar().find(None, facts))
