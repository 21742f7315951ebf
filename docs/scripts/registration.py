"""Run the phantom cohort in random poses, with and without registration: ``registration.py FOLDER``.

Patients of both centres lie in the scanner turned by up to 15 degrees about any axis and shifted by 6 mm (standard
deviation) along each. Prints how far registration misses their true poses, and C and Dice of DeepMTS by the smoke
profile. FOLDER keeps the cohorts and the runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import survbench as sb
from numpy.typing import NDArray
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.phantom.cohort import phantom_cohorts
from survbench.datasets.phantom.folder import write_folder
from survbench.datasets.phantom.poses import posed_cohort, random_pose
from survbench.plan.profile import load_profile

METHOD = "deepmts"
SEEDS = 3
CARD = """
name: {name}
title: Phantom in random poses
id: patient
endpoint: {{name: PFS, time: pfs_months, event: progression, unit: months, observed: ["yes"], censored: ["no"]}}
images:
  pet: {{modality: PET, file: "images/{{id}}_pet.nii.gz"}}
  ct: {{modality: CT, file: "images/{{id}}_ct.nii.gz"}}
mask: {{file: "images/{{id}}_mask.nii.gz"}}
field_of_view_mm: [128, 128, 112]
{registration}
clinical:
  - {{name: stage, column: stage, kind: ordinal, levels: [III, IVa], model: true}}
licence: CC0
citation: none
"""

Poses = dict[str, NDArray[np.float64]]


def write_posed(source: SourceCohort, folder: Path, rng: np.random.Generator) -> Poses:
    """Write a cohort whose patients lie in random poses; return the poses by id."""
    poses = [random_pose(rng, most_deg=15, spread_mm=6) for _ in source.cohort.ids]
    if not folder.exists():
        write_folder(posed_cohort(source, poses), folder)
    return dict(zip(source.cohort.ids, poses, strict=True))


def write_card(folder: Path, name: str, registration: str) -> None:
    """Write a cohort's card."""
    (folder / "cohort.yaml").write_text(CARD.format(name=name, registration=registration), encoding="utf-8")


def print_errors(folder: Path, poses: Poses, template: str) -> None:
    """Print how far patients lie from the template before registration, and how far it misses them."""
    before, after = [], []
    for name, facts in validate_named(str(folder)).registrations.items():
        if name != template:
            truth = poses[name] @ np.linalg.inv(poses[template])
            before.append(apart(truth))
            after.append(apart(np.linalg.inv(truth) @ np.array(facts.to_patient)))
    for words, found in (("before", before), ("after", after)):
        degrees, shifts = np.array(found).T
        print(
            f"{words} registration, median (highest) of {len(found)} patients: {np.median(degrees):.1f} "
            f"({degrees.max():.1f}) degrees, {np.median(shifts):.1f} ({shifts.max():.1f}) mm"
        )


def apart(rigid: NDArray[np.float64]) -> tuple[float, float]:
    """Return the angle of a rigid transform in degrees, and by how many mm it shifts the origin."""
    angle = np.degrees(np.arccos(np.clip((np.trace(rigid[:3, :3]) - 1) / 2, -1, 1)))
    return float(angle), float(np.linalg.norm(rigid[:3, 3]))


def main() -> None:
    """Write the cohorts, register, run and print."""
    home = Path(sys.argv[1])
    home.mkdir(parents=True, exist_ok=True)
    profile = load_profile("smoke")
    train, external = phantom_cohorts(profile.phantom, profile.voxels)
    rng = np.random.default_rng(0)
    own, other = home / "own", home / "other"
    poses = write_posed(train, own, rng)
    write_posed(external, other, rng)
    write_card(other, "other", "")
    template = train.cohort.ids[0]
    for words, registration in (
        ("registered", f"registration: {{template: {template}, channel: ct}}"),
        ("as they lie", ""),
    ):
        write_card(own, "own", registration)
        if registration:
            print_errors(own, poses, template)
        study = sb.run(METHOD, own, external=other, profile="smoke", seeds=SEEDS, out=home / "out", workers=2)
        (row,) = study.board.rows
        low, high = row.c_index_low, row.c_index_high
        print(f"{words}: C {row.c_index:.3f} ({low:.3f} to {high:.3f}), external C {row.external_c_index:.3f}", end="")
        print(f", Dice {row.dice:.3f}")


if __name__ == "__main__":
    main()
