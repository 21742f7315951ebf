"""The job that preprocesses patients and extracts their radiomics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from survbench.cohort import Subject
from survbench.datasets.preprocessing.cache import volume_store
from survbench.features.extraction import write_radiomics
from survbench.work.process_limits import limit_threads

if TYPE_CHECKING:
    from survbench.datasets.preprocessing.grid import Grid, Point
    from survbench.features.feature_sets import FeatureSet


def prepare(
    subjects: Sequence[tuple[Subject, Point]],
    names: Sequence[str],
    grid: Grid,
    feature_set: FeatureSet | None,
    radiomics: Mapping[str, str],
    out: str,
) -> dict[str, str]:
    """Preprocess some patients' volumes and extract radiomics where asked for.

    Args:
        subjects: patients with native volumes, each with the point on which its grid is centred.
        names: volumes to prepare: channels, and ``mask`` where there is one.
        grid: the common grid.
        feature_set: which radiomics to extract.
        radiomics: key under which to store a patient's features, by id; patients without one get none.
        out: the output folder.

    Returns:
        What is wrong, by id, of patients that could not be prepared.

    Raises:
        OSError, MemoryError: the machine's fault; what is done is kept.
    """
    from survbench.datasets.preprocessing.resample import prepare_subject

    limit_threads(1)
    root, problems = Path(out), {}
    store = volume_store(root)
    for subject, centre in subjects:
        try:
            keys = prepare_subject(subject, names, grid, centre, store)
            if feature_set is not None and subject.id in radiomics:
                from survbench.features.radiomics import extract

                volumes = {name: store.open(key) for name, key in keys.items()}
                write_radiomics(root, radiomics[subject.id], extract(Subject(subject.id, "", {}, volumes), feature_set))
        except (OSError, MemoryError):
            raise  # a full disk or short memory is no fault of the patient
        except Exception as problem:  # one bad image must not hide the next one: all are reported together
            problems[subject.id] = f"{type(problem).__name__}: {problem}"
    return problems
