"""Time `bench cohort ingest` on patients of clinical size: CT of 512 x 512 x 200, PET of 200 x 200 x 200, contours.

Prints wall seconds, CPU seconds and the largest memory (RSS) of a process, for one patient and for several, with two
workers. The anchor reads the same files with pydicom alone and compresses their pixels with gzip. The memory of the
parent process is printed separately from that of the processes that read patients.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from processes import Watched, watched
from pydicom import dcmread
from timing import BENCH, ROOT, table, three_digits

sys.path.append(str(ROOT / "tests" / "support"))
from dicom_files import write_contours, write_image

SIDE_MM, SLICES = 500.0, 200
TUMOUR_MM, BODY_MM = 30.0, 170.0
ASKED = 193
"""Number of patients in both of the DeepMTS paper's cohorts."""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    rows, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "dicom")
        for number in range(max(arguments.patients)):
            write_patient(source / f"{number:03d}", number)
        for count in arguments.patients:
            some = Path(folder, f"dicom{count}")
            for number in range(count):
                shutil.copytree(source / f"{number:03d}", some / f"{number:03d}", copy_function=os.link)
            took = ingested(some, Path(folder, f"cohort{count}"), arguments.workers)
            seconds.append((took.wall, took.cpu))
            figures = (took.wall, took.cpu, took.parent, took.other, took.together)
            rows.append([f"{count}", *map(three_digits, figures)])
        anchor = plainly(source / "000")
    table(
        f"bench cohort ingest, {arguments.workers} workers",
        ("patients", "wall s", "CPU s", "MB, parent", "MB, a process that reads", "MB, all at once"),
        rows,
    )
    print(f"\nOne patient read by pydicom and packed by gzip: {three_digits(anchor)} CPU s.")
    if len(arguments.patients) > 1:
        more = arguments.patients[-1] - arguments.patients[0]
        wall, cpu = ((last - first) / more for first, last in zip(seconds[0], seconds[-1], strict=True))
        print(f"A further patient takes {three_digits(cpu)} CPU s, and {three_digits(wall)} s of wall time here.")
        print(
            f"{ASKED} patients take {ASKED * cpu / 3600:.2f} CPU h, {ASKED * wall / 60:.0f} minutes of wall time here."
        )


def ingested(source: Path, out: Path, workers: int) -> Watched:
    """Ingest a folder, and return what it took."""
    words = (BENCH, "cohort", "ingest", source, "--out", out, "--region", "GTV", "--mask-on", "ct")
    return watched((*words, "--workers", str(workers)))


def plainly(folder: Path) -> float:
    """Return the CPU seconds of the minimum: reading and compressing a patient's pixels."""
    started = time.process_time()
    planes = [dcmread(path) for path in sorted(folder.rglob("*.bin"))]
    gzip.compress(b"".join(one.pixel_array.tobytes() for one in planes if "PixelData" in one), 1)
    return time.process_time() - started


def write_patient(folder: Path, number: int) -> None:
    """Write CT, PET and contours of a cylinder with a ball as the tumour, with noise that depends on the patient."""
    random = np.random.default_rng(number)
    common = {
        "PatientID": f"SPEED-{number:03d}",
        "StudyInstanceUID": f"1.6.{number}",
        "FrameOfReferenceUID": f"1.5.{number}",
    }
    for modality, side, values, noise in (("CT", 512, (24, 1064, 1084), 15), ("PT", 200, (100, 2_500, 20_000), 200)):
        across = (np.arange(side) - side / 2) * SIDE_MM / side
        heights = np.arange(SLICES) * SIDE_MM / SLICES - SIDE_MM / 2
        distance = np.hypot(across[:, None], across)[:, :, None]
        voxels = random.normal(0, noise, (side, side, SLICES))
        voxels += np.where(distance < BODY_MM, values[1], values[0])
        voxels[np.hypot(distance, heights) < TUMOUR_MM] += values[2] - values[1]
        write_image(
            folder / modality,
            modality,
            voxels.astype(np.int16),
            spacing=(SIDE_MM / side, SIDE_MM / side, SIDE_MM / SLICES),
            origin=(across[0], across[0], heights[0]),
            intercept=-1024 if modality == "CT" else 0,
            SeriesInstanceUID=f"1.7.{modality == 'CT':d}.{number}",
            **common,
        )
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(200)], axis=1)
    body = [BODY_MM * circle + (0, 0, height) for height in heights]
    ball = [
        (TUMOUR_MM**2 - height**2) ** 0.5 * circle + (0, 0, height) for height in heights if abs(height) < TUMOUR_MM
    ]
    write_contours(
        folder / "structures",
        [("GTV", ball), ("Body", body)],
        drawn_on=f"1.7.1.{number}",
        frame=common.pop("FrameOfReferenceUID"),
        SeriesInstanceUID=f"1.3.{number}",
        **common,
    )


if __name__ == "__main__":
    main()
