"""Whether what is stored of a study is as it was written, and its board what the stored predictions give."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from survbench.actions.build import altered_files, read_built
from survbench.actions.study_cohort import read_study_cohort
from survbench.datasets.cohorts.facts_store import FACTS, read_facts
from survbench.datasets.preprocessing.cache import VOLUMES, volume_store
from survbench.errors import BenchError
from survbench.evaluation.bundle import RUNS_FILE, unpack
from survbench.features.extraction import RADIOMICS, read_radiomics
from survbench.features.stored_table import read_table
from survbench.io.checksums import altered
from survbench.io.hashing import digest
from survbench.io.layout import CACHE
from survbench.io.packs import ALTERED, AlteredPackError, Manifest, is_pack, opened, read_manifest
from survbench.io.paths import expanded
from survbench.io.stored import UnreadableError, read_stored
from survbench.io.study_files import BOARD, COHORT, SPLITS, STUDIES
from survbench.jobs.prepared_files import OUTCOMES
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.writers.board_files import board_texts
from survbench.plan.job import ImportJob
from survbench.plan.protocol import splits_json
from survbench.plan.study import STUDY, Study, read_study, study_folders
from survbench.runs.store import JOB, Store, is_of_model, read_job
from survbench.tracking.mlflow_writer import LEDGER
from survbench.work.prepared import FEATURES, INPUTS, TRUTH, PreparedCohort

CHANGED = "is missing or was changed after it was written"
UNLIKE_RUNS = "is not what the stored predictions give"


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not as it was written, or does not follow from the others, and what is wrong with it."""

    path: Path
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was compared, and what differs.

    Attributes:
        studies: folders of the studies.
        runs: how many complete runs they have.
        differences: in the order in which they were found.
        manifest: of the pack that they are in; None for another output folder.
        refused: whether they are in a pack that was not opened, because files in it differ.
    """

    studies: tuple[Path, ...]
    runs: int
    differences: tuple[Difference, ...]
    manifest: Manifest | None = None
    refused: bool = False

    @property
    def summary(self) -> str:
        """How much was compared, and how much of it differs, in a sentence."""
        count = len(self.differences)
        if self.refused:
            return f"{self.studies[0]} was not opened, because {count} of its files differ."
        of = f"{len(self.studies)} {'study' if len(self.studies) == 1 else 'studies'} and {self.runs} runs"
        what = "nothing differs" if not count else f"{count} {'difference' if count == 1 else 'differences'}"
        summary = f"{of} compared with their checksums, and boards with the predictions: {what}."
        if self.manifest is not None and not self.manifest.weights:
            return f"{summary} Models were left out of this pack on purpose."
        return summary


def verify(out: Path, what: str | None = None) -> Verified:
    """Compare everything that is stored of studies with its checksums, and build their boards from the predictions
    once more. Nothing is changed.

    Args:
        out: the output folder, or a pack.
        what: the name of a study in it; or a path: a pack, a study's folder, another output folder, a folder in which a
            study is packed, or a file in one of these; None for all studies of ``out``.

    Raises:
        BenchError: there is no such study, or another process writes to the output folder.
    """
    if what is not None and not (out / STUDIES / what / STUDY).exists() and is_pack(expanded(what)):
        out, what = expanded(what).absolute(), None
    try:
        out, folders = _chosen(opened(out), what)
    except AlteredPackError as error:
        altered_in_pack = tuple(Difference(out / name, why) for name, why in error.files.items())
        return Verified(studies=(out,), runs=0, differences=altered_in_pack, refused=True)
    if (folders[0] / RUNS_FILE).is_file():
        return Verified(studies=folders, runs=0, differences=tuple(_of_packed(folders[0])))
    store = Store(out)
    with store.lock() if os.access(out, os.W_OK) else nullcontext():
        keys: set[str] = set()
        manifest = read_manifest(out)
        found = [] if manifest is None else [Difference(path, ALTERED) for path in altered(out, manifest.files)]
        models = manifest is None or manifest.weights
        for folder in folders:
            study, unreadable = _read(folder)
            found += unreadable
            if study is not None:
                needed = needed_runs(store, study)
                found += [each for key in sorted(needed - keys) for each in _of_run(store, key, models=models)]
                found += _of_cohorts(store, needed)
                found += _unreadable(study.folder(out) / COHORT, partial(read_study_cohort, study, out))
                keys |= needed
            found += _of_board(folder, study, store)
        found += [*_of_cache(out), *_unreadable(out / LEDGER, partial(read_stored, out / LEDGER, dict))]
        done = sum(map(store.is_sealed, keys))
    return Verified(studies=folders, runs=done, differences=_one_a_file(found), manifest=manifest)


def _one_a_file(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return differences without those of a file that an earlier one names."""
    named: dict[Path, Difference] = {}
    for each in found:
        named.setdefault(each.path, each)
    return tuple(named.values())


def _chosen(out: Path, what: str | None) -> tuple[Path, tuple[Path, ...]]:
    """Return the output folder and the folders of the studies that are meant."""
    named = out / STUDIES / what if what else None
    if named is not None and not (named / STUDY).exists():
        path = expanded(what or "").absolute()
        folder = path.parent if path.is_file() else path
        while not ((folder / STUDY).exists() or (folder / STUDIES).is_dir()) and folder != folder.parent:
            folder = folder.parent
        if not path.exists() or folder == folder.parent:
            known = ", ".join(each.name for each in study_folders(out)) or "none"
            raise BenchError(f"{what} is not a study under {out} (there: {known}) or a path to one. Correct the name.")
        if not (folder / STUDIES).is_dir():
            return folder.parents[1], (folder,)
        out = folder
        named = None
    folders = (
        (named,) if named is not None else tuple(path for path in sorted((out / STUDIES).glob("*")) if path.is_dir())
    )
    if not folders:
        raise BenchError(f"There is no study under {out}. Give the folder of 'bench run' with --out.")
    return out, folders


def _read(folder: Path) -> tuple[Study | None, list[Difference]]:
    try:
        study = read_study(folder)
    except FileNotFoundError:
        return None, [Difference(folder / STUDY, "is missing")]
    except UnreadableError as error:
        return None, [Difference(folder / STUDY, str(error).removeprefix(f"{folder / STUDY} "))]
    return study, []


def needed_runs(store: Store, study: Study) -> set[str]:
    """Return the keys of a study's jobs, and of those that these need."""
    needed, waiting = set[str](), study.run_keys()
    while waiting:
        key = waiting.pop()
        if key not in needed:
            needed.add(key)
            job = read_job(store.folder(key))
            waiting += [] if job is None else sorted(job.required_keys)
    return needed


def _of_run(store: Store, key: str, *, models: bool) -> Iterator[Difference]:
    """Yield what is wrong with a job's folder, its model too unless models were left out; one that has not run yet or
    has failed has no seal.
    """
    damaged = list(store.damaged(key, lambda name: models or not is_of_model(name)))
    yield from (Difference(path, CHANGED) for path in damaged)
    job = read_job(store.folder(key))
    run = store.read(key)
    if not store.is_sealed(key):
        if run is not None and run.status in {"ok", "skipped"}:
            yield Difference(store.folder(key), "is not sealed: DONE is missing")
        elif run is None and store.folder(key).is_dir():
            yield Difference(store.folder(key), "holds no record that can be read")
    elif job is not None and job.key != key:
        yield Difference(store.folder(key) / JOB, f"belongs to job {job.key}")


def _of_cohorts(store: Store, keys: Iterable[str]) -> Iterator[Difference]:
    """Yield what is wrong with the prepared cohorts of jobs. One that was removed, or left behind when the study was
    shared, is made again and no difference.
    """
    jobs = [read_job(store.folder(key)) for key in keys]
    for fingerprint in sorted({job.cohort for job in jobs if job is not None and not isinstance(job, ImportJob)}):
        prepared = PreparedCohort(store.root, fingerprint)
        if not prepared.folder.is_dir():
            continue
        try:
            inputs, outcomes = (read_stored(prepared.folder / name, dict) for name in (INPUTS, OUTCOMES))
            truth = read_stored(prepared.folder / TRUTH, dict) if (prepared.folder / TRUTH).exists() else None
            if digest([inputs, outcomes, truth]) != fingerprint:
                yield Difference(prepared.folder, "holds other patients or outcomes than its name, their hash, says")
                continue
            table = prepared.folder / FEATURES
            if table.exists() and read_table(table).keys != {r["id"]: r["radiomics"] for r in inputs["subjects"]}:
                yield Difference(table, CHANGED)
        except (OSError, UnreadableError, ValueError) as error:  # ValueError: JSON that holds NaN
            yield Difference(prepared.folder, f"is damaged: {error}")


def _of_cache(out: Path) -> Iterator[Difference]:
    """Yield the entries of the cache that are not as they were written."""
    kinds: dict[str, Callable[[str], object]] = {
        VOLUMES: volume_store(out).has,
        RADIOMICS: partial(read_radiomics, out),
        FACTS: partial(read_facts, out),
    }
    for kind, read in kinds.items():
        for path in sorted((out / CACHE / kind).glob("*/*.json")):
            if not read(path.stem):
                beside = path.with_suffix(".npy") if kind == VOLUMES else path
                yield Difference(path, f"{CHANGED}{'' if beside == path else f', or {beside.name} beside it was'}")


def _of_board(folder: Path, study: Study | None, store: Store) -> Iterator[Difference]:
    """Yield the files of a board that are not as they were built, and those that another board was written into."""
    damaged = altered_files(folder)
    yield from (Difference(path, CHANGED) for path in damaged)
    if study is None:
        return
    if not _same_splits(folder / SPLITS, study):
        yield Difference(folder / SPLITS, f"is missing or does not hold the folds of {STUDY}")
    built = read_built(folder)
    if any(folder.glob(f"{BOARD}.*")):
        texts = board_texts(build_board(study, store), published=built is not None and built.published)
        yield from _unlike(folder, {kind: text for kind, text in texts.items() if folder / _name(kind) not in damaged})


def _same_splits(path: Path, study: Study) -> bool:
    try:
        return bool(read_stored(path, dict) == splits_json(study.protocol.folds))
    except (FileNotFoundError, UnreadableError):
        return False


def _of_packed(folder: Path) -> Iterator[Difference]:
    """Yield what of a packed study's board does not follow from its predictions."""
    with TemporaryDirectory() as scratch:
        store = Store(Path(scratch))
        try:
            study = unpack(folder, store)
            texts = board_texts(build_board(study, store))
        except Exception as error:  # whatever damaged files make of the libraries that read them
            yield Difference(folder, f"cannot be unpacked: {error}")
            return
    yield from _unlike(folder, texts)


def _unlike(folder: Path, texts: dict[str, str]) -> Iterator[Difference]:
    """Yield the files of a board that hold another text."""
    for kind, text in texts.items():
        path = folder / _name(kind)
        if not path.is_file() or path.read_bytes() != text.encode():
            yield Difference(path, UNLIKE_RUNS)


def _name(kind: str) -> str:
    return f"{BOARD}.{kind}"


def _unreadable(path: Path, read: Callable[[], object]) -> Iterator[Difference]:
    """Yield a file that cannot be read; one that is absent was never written."""
    if path.exists():
        try:
            read()
        except UnreadableError as error:
            yield Difference(path, str(error).removeprefix(f"{path} "))
