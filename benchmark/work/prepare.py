"""The job that measures and preprocesses patients and extracts their radiomics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from survbench.cohort import Subject
from survbench.datasets.checks.catalogue import patient_errors
from survbench.datasets.checks.images import NotPrepared
from survbench.datasets.cohorts.facts_store import facts_key, read_facts, write_facts
from survbench.datasets.preprocessing.cache import volume_store
from survbench.datasets.preprocessing.resample import Pose
from survbench.features.extraction import write_radiomics
from survbench.findings import Finding
from survbench.work.process_limits import limit_threads

if TYPE_CHECKING:
    from survbench.datasets.cards.card import CohortCard
    from survbench.datasets.cards.template import Template
    from survbench.datasets.checks.facts import PatientFacts
    from survbench.datasets.preprocessing.grid import Grid, Point
    from survbench.datasets.preprocessing.registration import Registrar
    from survbench.features.feature_sets import FeatureSet

T = TypeVar("T")


def prepare(
    card: CohortCard,
    subjects: Sequence[tuple[Subject, Point]],
    names: Sequence[str],
    grid: Grid,
    feature_set: FeatureSet | None,
    radiomics: Mapping[str, Mapping[str, str]],
    ignored: Collection[str],
    out: str,
    template: Template | None = None,
) -> list[Finding]:
    """Measure and preprocess some patients' volumes and extract radiomics where asked for.

    Args:
        card: of their cohort.
        subjects: patients with native volumes, each with the point on which its grid is centred.
        names: volumes to prepare: channels, and ``mask`` where there is one.
        grid: the common grid.
        feature_set: which radiomics to extract.
        radiomics: by id, the keys under which to store a patient's features: of the tumour mask as ``mask``, and of
            structures by name; patients without any get none.
        ignored: codes of findings in spite of which to go on.
        out: the output folder.
        template: to which patients are registered; None in a cohort that is not registered.

    Returns:
        What is wrong with patients that cannot be used or could not be prepared.

    Raises:
        OSError, MemoryError: the machine's fault; what is done is kept.
        BenchError: a check of a plugin fails.
    """
    from survbench.datasets.cohorts.measure import open_registrar

    limit_threads(1)
    root = Path(out)
    registrar, found = open_registrar(template)
    if found:
        return found
    for subject, centre in subjects:
        measured = _tried(subject.id, partial(_measured, card, subject, root, registrar))
        if isinstance(measured, Finding):
            found.append(measured)
            continue
        whole, facts, wrong = measured
        if facts is not None:
            wrong = patient_errors(card, subject.id, facts, ignored)  # a check that fails is not the patient's fault
        found += wrong
        if not wrong:
            wanted = radiomics.get(subject.id, {})
            pose = None if template is None or facts is None else _pose(template, subject, facts)
            failed = _tried(subject.id, partial(_write, whole, names, grid, centre, feature_set, wanted, root, pose))
            found += [failed] if failed else []
    return found


def _tried(name: str, act: Callable[[], T]) -> T | Finding:
    """Return what an act gives, or a finding where it fails: one bad image must not hide the next one."""
    try:
        return act()
    except (OSError, MemoryError):
        raise  # a full disk or short memory is not the patient's fault
    except Exception as problem:
        detail = f"{type(problem).__name__}: {problem}"
        return NotPrepared.finding("Patients cannot be prepared.", subject=name, detail=detail)


def _measured(
    card: CohortCard, subject: Subject, out: Path, registrar: Registrar | None
) -> tuple[Subject, PatientFacts | None, list[Finding]]:
    """Read a patient's volumes and store their facts; return the patient with the voxels in memory, and the facts, or
    what is wrong with the files.
    """
    from survbench.datasets.cohorts.measure import in_memory, measure, read_volumes, registered

    readings, unreadable = read_volumes(subject)
    if unreadable:
        return subject, None, unreadable
    key = facts_key(card, subject, None if registrar is None else registrar.template)
    earlier = None if registrar is None else read_facts(out, key)  # a registration takes longer than all other facts
    known = None if earlier is None else earlier.registration
    facts = measure(card, subject, readings, registered(registrar, subject, readings, known))
    write_facts(out, key, facts)
    return in_memory(subject, readings), facts, []


def _pose(template: Template, subject: Subject, facts: PatientFacts) -> Pose | None:
    if facts.registration is None:
        return None
    key = template.placement_key(subject.volumes[template.channel])
    return Pose(key, np.array(facts.registration.to_patient), template.twice)


def _write(
    subject: Subject,
    names: Sequence[str],
    grid: Grid,
    centre: Point,
    feature_set: FeatureSet | None,
    wanted: Mapping[str, str],
    out: Path,
    pose: Pose | None,
) -> None:
    """Store a patient's volumes on the grid, and its radiomics where there are keys for them."""
    from survbench.datasets.preprocessing.resample import prepare_structures, prepare_subject

    store = volume_store(out)
    keys = prepare_subject(subject, names, grid, centre, store, pose)
    structures = prepare_structures(subject, grid, centre, store, pose)
    if feature_set is not None and wanted:
        from survbench.features.radiomics import extract, extract_structure

        patient = Subject(subject.id, "", {}, {name: store.open(volume) for name, volume in keys.items()})
        for name, key in wanted.items():
            if name == "mask":
                write_radiomics(out, key, extract(patient, feature_set))
            else:
                mask = store.open(structures[name])
                write_radiomics(out, key, extract_structure(patient, mask, feature_set))
