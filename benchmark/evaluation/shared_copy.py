"""A study and its runs written once more, without what is for nobody else's eyes.

Left out are models, logs, and the messages and tracebacks of errors, which may hold anything; paths are cut. With
pseudonyms no id is left either: every file that names patients is written anew, and sealed with the checksums that it
then has.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from survbench.errors import BenchError
from survbench.evaluation.pseudonyms import Pseudonyms
from survbench.evaluation.redaction import without_paths
from survbench.io.files import write_bytes
from survbench.io.layout import LEARNING, SELECTED, TUNED, Status
from survbench.plan.job import FitJob, ImportJob, Job, PredictJob, TuneJob, TuneSplit
from survbench.plan.study import CohortDescription, Study
from survbench.runs.predictions import PREDICTIONS
from survbench.runs.record import RunError, RunRecord
from survbench.runs.store import CURVES, Run, Store, is_of_model, write_run
from survbench.work.example_slices import FILE as EXAMPLES
from survbench.work.example_slices import read_examples, write_examples
from survbench.work.survival_curves import FILE as CALIBRATION
from survbench.work.tuned import Tuned, read_tuned, write_tuned

NUMBERS = (CURVES, SELECTED, LEARNING, CALIBRATION)
"""Files of a run that name nobody and are copied as they are."""
WITHHELD = "withheld when the study was packed"
"""Stands in place of the message of an error."""


def write_shared_copy(
    study: Study, keys: Iterable[str], store: Store, target: Store, named: Pseudonyms | None, *, weights: bool
) -> Study:
    """Write a study and its runs into another output folder, without their models, which the seals of the runs still
    name. Return the study as it was written.

    Args:
        study: the study.
        keys: of the runs; one that has not run yet is passed over.
        store: the runs.
        target: the other output folder, which is empty.
        named: pseudonyms in place of ids; None for ids.
        weights: whether the models have to be as they were written.

    Raises:
        BenchError: files of a run are not as they were written.
    """
    copying = _Copying(named)
    runs = {key: store.read(key) for key in sorted(keys) if store.folder(key).is_dir()}
    damaged = [key for key, run in runs.items() if not _is_intact(run, store, weights=weights)]
    if damaged:
        raise BenchError(f"Runs {', '.join(damaged)} are damaged. 'bench run' makes them again.")
    for run in filter(None, runs.values()):
        copying.run(run, store, target)
    shared = copying.study(study)
    shared.write(target.root)
    return shared


def _is_intact(run: Run | None, store: Store, *, weights: bool) -> bool:
    """Return whether a run can be read and, unless it has failed, is complete and as it was written."""
    if run is None:
        return False
    finished = run.status == Status.OK or store.is_sealed(run.key)
    return not finished or store.is_done(run.key, with_model=weights)


@dataclass(frozen=True, slots=True)
class _Copying:
    named: Pseudonyms | None

    def text(self, text: str) -> str:
        plain = without_paths(text)
        return self.named.text(plain) if self.named else plain

    def ids(self, ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(map(self.named.name, ids))) if self.named else tuple(ids)

    def values(self, value: Any) -> Any:
        """Return settings in which every text is :meth:`text`."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.values(each) for key, each in value.items()}
        return [self.values(each) for each in value] if isinstance(value, list | tuple) else value

    def study(self, study: Study) -> Study:
        protocol = study.protocol.model_copy(update={"folds": tuple(map(self.ids, study.protocol.folds))})
        return replace(
            study,
            cohort=self._cohort(study.cohort),
            external=None if study.external is None else self._cohort(study.external),
            protocol=protocol,
            entries=tuple(
                replace(
                    entry,
                    params=self.values(entry.params),
                    notes=self.text(entry.notes),
                    skipped=self.text(entry.skipped),
                    skipped_external=self.text(entry.skipped_external),
                )
                for entry in study.entries
            ),
            findings=tuple(
                replace(finding, text=self.text(finding.text), remedy=self.text(finding.remedy))
                for finding in study.findings
            ),
        )

    def _cohort(self, cohort: CohortDescription) -> CohortDescription:
        return cohort.model_copy(update={"left_out": self.ids(cohort.left_out)})

    def run(self, run: Run, store: Store, target: Store) -> None:
        job, record = self._job(run.job), self._record(run.record)
        if not store.is_sealed(run.key):
            target.record_failure(job, record, "")
            return
        sealed = store.sealed_files(run.key)
        models = {name: checksum for name, checksum in sealed.items() if is_of_model(name)}
        with target.writing(run.key, elsewhere=models) as part:
            write_run(part, job, record)
            for name in sealed:
                if name in NUMBERS:
                    shutil.copyfile(run.folder / name, part / name)
                elif (write := _WRITERS.get(name)) is not None:
                    write(self, run.folder, part)

    def _job(self, job: Job) -> Job:
        """Return a job without ids; its ``spec`` has hashes of a few patients each, on which guesses could be tried."""
        changed: dict[str, Any] = {} if self.named is None else {"spec": {}}
        if isinstance(job, TuneJob):
            changed["splits"] = tuple(map(self._split, job.splits))
        elif isinstance(job, FitJob):
            changed |= {"train": self.ids(job.train), "test": self.ids(job.test)}
        elif isinstance(job, PredictJob | ImportJob):
            changed["test"] = self.ids(job.test)
        if not isinstance(job, PredictJob | ImportJob):
            changed["params"] = self.values(job.params)
        return job.model_copy(update=changed)

    def _split(self, split: TuneSplit) -> TuneSplit:
        return split.model_copy(update={"train": self.ids(split.train), "validation": self.ids(split.validation)})

    def _record(self, record: RunRecord) -> RunRecord:
        return record.model_copy(
            update={
                "error": None if record.error is None else _withheld(record.error),
                "retried": tuple(map(_withheld, record.retried)),
                "params": self.values(record.params),
                "settings": self.values(record.settings),
            }
        )

    def predictions(self, source: Path, part: Path) -> None:
        if self.named is None:
            shutil.copyfile(source / PREDICTIONS, part / PREDICTIONS)
        else:
            write_bytes(part / PREDICTIONS, self.named.content(source / PREDICTIONS))

    def examples(self, source: Path, part: Path) -> None:
        write_examples(part, [replace(e, id=self.ids([e.id])[0]) for e in read_examples(source)])

    def tuned(self, source: Path, part: Path) -> None:
        trials = (
            trial.model_copy(
                update={"params": self.values(trial.params), "error": WITHHELD if trial.error else ""},
            )
            for trial in read_tuned(source).trials
        )
        write_tuned(part, Tuned(trials=tuple(trials)))


_WRITERS: Mapping[str, Callable[[_Copying, Path, Path], None]] = {
    PREDICTIONS: _Copying.predictions,
    EXAMPLES: _Copying.examples,
    TUNED: _Copying.tuned,
}
"""How the files of a run are written that name patients or hold errors; those in neither list are left out."""


def _withheld(error: RunError) -> RunError:
    return RunError(type=error.type, message=WITHHELD)
