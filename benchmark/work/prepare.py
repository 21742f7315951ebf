"""The job that measures and preprocesses patients and extracts their radiomics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from survbench.cohort import Subject
from survbench.datasets.checks.images import NotPrepared
from survbench.datasets.cohorts.facts_store import facts_key, write_facts
from survbench.datasets.preprocessing.cache import volume_store
from survbench.features.extraction import write_radiomics
from survbench.findings import Finding
from survbench.work.process_limits import limit_threads

if TYPE_CHECKING:
    from survbench.datasets.cards.card import CohortCard
    from survbench.datasets.preprocessing.grid import Grid, Point
    from survbench.features.feature_sets import FeatureSet


def prepare(
    card: CohortCard,
    subjects: Sequence[tuple[Subject, Point]],
    names: Sequence[str],
    grid: Grid,
    feature_set: FeatureSet | None,
    radiomics: Mapping[str, str],
    ignored: Collection[str],
    out: str,
) -> dict[str, tuple[Finding, ...]]:
    """Measure and preprocess some patients' volumes and extract radiomics where asked for.

    Args:
        card: of their cohort.
        subjects: patients with native volumes, each with the point on which its grid is centred.
        names: volumes to prepare: channels, and ``mask`` where there is one.
        grid: the common grid.
        feature_set: which radiomics to extract.
        radiomics: key under which to store a patient's features, by id; patients without one get none.
        ignored: codes of findings in spite of which to go on.
        out: the output folder.

    Returns:
        What is wrong, by id, with patients that cannot be used or could not be prepared.

    Raises:
        OSError, MemoryError: the machine's fault; what is done is kept.
    """
    from survbench.datasets.preprocessing.resample import prepare_subject

    limit_threads(1)
    root = Path(out)
    problems: dict[str, tuple[Finding, ...]] = {}
    store = volume_store(root)
    for subject, centre in subjects:
        try:
            read, wrong = _measured(card, subject, ignored, root)
            if wrong:
                problems[subject.id] = tuple(wrong)
                continue
            keys = prepare_subject(read, names, grid, centre, store)
            if feature_set is not None and subject.id in radiomics:
                from survbench.features.radiomics import extract

                volumes = {name: store.open(key) for name, key in keys.items()}
                write_radiomics(root, radiomics[subject.id], extract(Subject(subject.id, "", {}, volumes), feature_set))
        except (OSError, MemoryError):
            raise  # a full disk or short memory is no fault of the patient
        except Exception as problem:  # one bad image must not hide the next one: all are reported together
            detail = f"{type(problem).__name__}: {problem}"
            finding = NotPrepared.finding("Patients cannot be prepared.", subject=subject.id, detail=detail)
            problems[subject.id] = (finding,)
    return problems


def _measured(card: CohortCard, subject: Subject, ignored: Collection[str], out: Path) -> tuple[Subject, list[Finding]]:
    """Read a patient's volumes and store their facts; return the patient with the voxels in memory, and what keeps it
    from being used.
    """
    from survbench.datasets.checks.catalogue import patient_errors
    from survbench.datasets.cohorts.measure import in_memory, measure, read_volumes

    readings, unreadable = read_volumes(subject)
    if unreadable:
        return subject, unreadable
    facts = measure(card, subject, readings)
    write_facts(out, facts_key(card, subject), facts)
    return in_memory(subject, readings), patient_errors(card, subject.id, facts, ignored)
