"""Predicted tumour masks as NIfTI files in the geometry of each patient's own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from survbench.datasets.cards.source import SourceCohort
from survbench.errors import BenchError, UnknownNameError
from survbench.plan.job import FitJob, PredictJob
from survbench.plan.study import Entry, Study
from survbench.runs.store import Store
from survbench.volume import Volume
from survbench.work.fitted import fitted_method
from survbench.work.prepared import PreparedCohort


def export_masks(study: Study, store: Store, name: str, source: SourceCohort, target: Path) -> list[Path]:
    """Write the masks that a method predicts for the patients of a study's cohort.

    Each patient is segmented by the models that did not train on it: of the cohort by its fold's, of the external
    cohort by all; the mask is the mean of their probabilities (over seeds, too) above one half.

    Args:
        study: the study.
        store: its runs.
        name: a method that segments.
        source: the cohort or the external cohort of the study, with native images.
        target: folder; gets ``<id>_mask.nii.gz`` for each patient.

    Returns:
        The files.

    Raises:
        BenchError: the method does not segment or is not complete, or the study has no such cohort.
    """
    entry = _entry(study, name)
    external = study.external is not None and source.card.name == study.external.name
    if not external and source.card.name != study.cohort.name:
        raise BenchError(f"Study {study.name} has no cohort {source.card.name!r}. 'bench status' lists studies.")
    keys = [key for seed in entry.fits for key in seed]
    runs = [run for key in keys if (run := store.read(key)) is not None and store.is_done(key, with_model=True)]
    if len(runs) < len(keys):
        raise BenchError(f"{name} is not complete in study {study.name}. Run 'bench run' again first.")
    target.mkdir(parents=True, exist_ok=True)
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    grids: dict[str, NDArray[np.float64]] = {}
    for run in runs:
        fit = run.job
        if not isinstance(fit, FitJob):
            raise BenchError(f"{name} was imported, so there is no model that could segment.")
        ids = [i for i in (source.cohort.ids if external else fit.test) if i in set(source.cohort.ids)]
        for patient, (probability, affine) in _segmented(fit, store, ids, _fingerprint(store, entry, fit, external)):
            sums[patient] = sums.get(patient, 0.0) + probability.astype(np.float64)
            counts[patient] = counts.get(patient, 0) + 1
            grids[patient] = affine
    native = {s.id: s.volumes[source.cohort.channels[0]] for s in source.cohort.subjects}
    files = {i: target / f"{i}_mask.nii.gz" for i in sorted(sums)}
    for i, path in files.items():
        write_mask(path, sums[i] / counts[i], grids[i], native[i])
    return [*files.values()]


def _entry(study: Study, name: str) -> Entry:
    entries = {e.name: e for e in study.entries}
    if name not in entries:
        raise UnknownNameError("method of this study", name, entries, see="'bench status'")
    if "segmentation" not in entries[name].gives:
        raise BenchError(f"{name} does not segment. 'bench list {name}' says what it gives.")
    return entries[name]


def _fingerprint(store: Store, entry: Entry, fit: FitJob, external: bool) -> str:  # noqa: FBT001
    """Return which prepared cohort the patients are in."""
    if not external:
        return fit.cohort
    for key in (key for seed in entry.predicts for key in seed):
        predicted = store.read(key)
        if predicted is not None and isinstance(predicted.job, PredictJob):
            return predicted.job.cohort
    raise BenchError(f"{entry.name} has not predicted the external cohort. Run 'bench run' again first.")


def _segmented(
    fit: FitJob, store: Store, ids: list[str], fingerprint: str
) -> list[tuple[str, tuple[NDArray[np.float32], NDArray[np.float64]]]]:
    inputs = PreparedCohort(store.root, fingerprint).inputs(ids, fit.needs_predict)
    method = fitted_method(store, fit.key, device="cpu")
    affines = [s.volumes[inputs.channels[0]].affine for s in inputs.subjects]
    return list(zip(ids, zip(method.segment(inputs), affines, strict=True), strict=True))


def write_mask(
    path: Path, probability: NDArray[np.float64], affine: NDArray[np.float64], native: Volume
) -> NDArray[np.bool_]:
    """Resample a probability linearly onto a patient's own image, cut it at one half, write it, and return it.

    Args:
        path: the NIfTI file.
        probability: of tumour, on the common grid.
        affine: of that grid.
        native: the patient's image, whose geometry the file has.
    """
    import nibabel as nib
    from scipy.ndimage import affine_transform

    to_grid = np.linalg.inv(affine) @ native.affine
    resampled = affine_transform(
        probability, to_grid[:3, :3], to_grid[:3, 3], output_shape=native.shape, order=1, mode="constant", cval=0.0
    )
    inside: NDArray[np.bool_] = resampled > 0.5
    image = nib.Nifti1Image(inside.astype(np.uint8), native.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    nib.save(image, path)
    return inside
