"""Projects a study into MLflow: one run per method, below it one per seed and fold and one per search for
hyper-parameters, with its trials; beside them one run with the board. What each of them holds is made in
:mod:`survbench.tracking.records`.

The run folders remain the source. A ledger beside them remembers which state of a study was written to which MLflow,
so projecting again costs nothing; without it the runs are found by their tags, and nothing is written twice. MLflow
cannot change what it has logged, so a run that would be different today is written again, and the old one deleted.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from survbench.evaluation.pseudonyms import pseudonyms_of
from survbench.io.files import is_disk_full, write_json
from survbench.io.hashing import digest
from survbench.io.stored import UnreadableError, read_stored
from survbench.plan.study import Study
from survbench.runs.store import Store
from survbench.tracking.address import sqlite_file, without_secrets
from survbench.tracking.failures import TrackingError, check_connection, check_database, explained
from survbench.tracking.records import METHOD, Record, records, state, with_pseudonyms

if TYPE_CHECKING:
    from mlflow import MlflowClient

LEDGER = "tracking.json"
KEY = "survbench.key"
CONTENT = "survbench.content"
PARENT = "mlflow.parentRunId"


LOUD = ("alembic", "mlflow", "sqlalchemy", "urllib3")
"""Loggers that repeat, line by line, what is then raised."""
ASIDE_S, TURN_S = 10.0, 600.0
"""Time that other processes get to finish their projections into the same database: silently, and after a word."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrackReport:
    """Where the study was projected to, without secrets, and how many runs are new and unchanged."""

    uri: str
    new: int
    unchanged: int


def default_uri(out: Path) -> str:
    """Return the SQLite file under an output folder as a tracking URI."""
    return f"sqlite:///{out / 'mlflow.db'}"


def ui_command(host: str, port: int) -> list[str]:
    """Return the command that serves MLflow's pages for the database of :func:`ui_environment`."""
    options = ["--host", host, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *options]


def ui_environment(uri: str) -> dict[str, str]:
    """Return the variables under which MLflow's server starts in seconds and calls nobody. The database is one of them,
    because every user of a machine can read commands, and so a password in them.
    """
    return {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def track(
    study: Study,
    store: Store,
    out: Path,
    *,
    tracking_uri: str | None = None,
    trust_ledger: bool = True,
    pseudonyms: Path | None = None,
) -> TrackReport:
    """Make MLflow say what the runs say: write what it does not have yet, and delete what is no longer so.

    In the output folder's own database everything goes that is no longer in the study; on a server, which others may
    share, only what belongs to a method of this study.

    Args:
        study: whose runs, and whose board, are projected.
        store: the runs.
        out: the output folder; it holds the ledger and, without ``tracking_uri``, the database and artifacts.
        tracking_uri: an MLflow server or database.
        trust_ledger: believe the ledger without asking MLflow.
        pseudonyms: file of the key of the pseudonyms that MLflow gets in place of ids; None for ids.

    Raises:
        TrackingError: MLflow cannot be reached or written.
        BenchError: the key of the pseudonyms cannot be used.
    """
    named = pseudonyms_of(study, store, pseudonyms)
    uri, folder = tracking_uri or default_uri(out), study.folder(out)
    shown, own, file = without_secrets(uri), uri == default_uri(out), sqlite_file(uri)
    lost = file is not None and not file.is_file()
    if own and file != out / "mlflow.db":
        raise TrackingError(
            f"In the path of a database, MLflow takes '?' and '%' before two digits for something else: {out}. Rename "
            "the folder."
        )
    try:
        now = digest([state(study, store, folder), named.fingerprint]) if named else state(study, store, folder)
        if trust_ledger and not lost and _read_ledger(out).get(shown, {}).get(study.name) == now:
            return TrackReport(shown, 0, sum(len(seed) for e in study.entries for seed in e.fits))
        artifacts = (out / "mlflow-artifacts" / study.name).resolve() if own else None
        with _turn(file or out / LEDGER), _quiet(), tempfile.TemporaryDirectory() as copies:
            if file is not None:
                check_database(file, own=own)
            check_connection(uri)
            wanted = list(records(study, store, folder))
            if named is not None:
                wanted = [with_pseudonyms(record, named, folder, Path(copies)) for record in wanted]
            projection = _Projection(uri, study.name, artifacts=artifacts)
            written = projection.write(wanted, None if own else {entry.name for entry in study.entries})
            if file is not None and not file.is_file():
                raise TrackingError(f"{file} was deleted while MLflow had it open here: start another process.")
            ledger = _read_ledger(out)
            ledger.setdefault(shown, {})[study.name] = now
            write_json(out / LEDGER, ledger)
    except TrackingError:
        raise
    except Exception as error:  # MLflow and its database drivers raise whatever they like; none of it may end a run
        if is_disk_full(error):
            free = shutil.disk_usage(out).free
            raise TrackingError(f"The disk is full: {free:,} bytes are free in {out}. Free space there.") from None
        raise TrackingError(explained(error, uri, os.environ, own=own)) from None  # its text may hold a password
    return TrackReport(shown, written, len(wanted) - written)


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait until no other process writes into a database, and hold it: MLflow's migration of a new one fails where two
    make it at once, and two projections would both write what neither found.

    Args:
        path: the database file, or the ledger where a server holds the database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=ASIDE_S)
    except Timeout:
        log.warning("Another process writes into %s; waiting for it.", path)
        try:
            lock.acquire(timeout=TURN_S)
        except Timeout:
            raise TrackingError(f"Another process has been writing into {path} for {TURN_S:.0f} s.") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what MLflow and its libraries log: each retry, whole statements, and addresses with their secrets."""
    import mlflow  # noqa: F401  # it sets the levels of its loggers

    before = {name: logging.getLogger(name).level for name in LOUD}
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


class _Projection:
    """MLflow's side: an experiment and the runs in it."""

    def __init__(self, uri: str, experiment: str, *, artifacts: Path | None) -> None:
        # a server that does not answer must not hold up a run for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each run
        from mlflow import MlflowClient

        self.client: MlflowClient = MlflowClient(tracking_uri=uri)
        self.experiment = self._experiment(experiment, artifacts)

    def write(self, wanted: Sequence[Record], methods: Collection[str] | None) -> int:
        """Write the records that are missing or have changed; return how many.

        Args:
            wanted: all records of the study, parents before their children.
            methods: whose runs may be deleted when there is no record of them; None: any.
        """
        contents = {record.key: record.content() for record in wanted}
        current, outdated = {}, []
        for run in self._runs():
            tags = run.data.tags
            if tags.get(CONTENT) == contents.get(tags[KEY], "") and tags[KEY] not in current:
                current[tags[KEY]] = run
            elif tags[KEY] in contents or methods is None or tags.get(METHOD) in methods:
                outdated.append(run.info.run_id)
        ids = {key: run.info.run_id for key, run in current.items()}
        for record in wanted:
            parent = ids[record.parent] if record.parent is not None else None
            if record.key not in current:
                ids[record.key] = self._make(record, contents[record.key], parent)
            elif parent is not None and current[record.key].data.tags.get(PARENT) != parent:  # it was made anew
                self.client.set_tag(ids[record.key], PARENT, parent)
        for run_id in outdated:  # at the end, so that nothing is lost when this is cut off
            self.client.delete_run(run_id)
        return len(wanted) - len(current)

    def _experiment(self, name: str, artifacts: Path | None) -> str:
        location = artifacts.as_uri() if artifacts else None
        found = self.client.get_experiment_by_name(name)
        if found is not None and location in {None, found.artifact_location}:
            return str(found.experiment_id)
        if found is not None:  # the output folder was copied or moved, and MLflow looks for files where it was
            self.client.rename_experiment(found.experiment_id, f"{name} ({found.experiment_id}, of another folder)")
            self.client.delete_experiment(found.experiment_id)
        return str(self.client.create_experiment(name, artifact_location=location))

    def _runs(self) -> Iterator[Any]:
        """Yield the experiment's runs that are ours."""
        token = None
        while True:
            page = self.client.search_runs([self.experiment], max_results=1000, page_token=token)
            yield from (run for run in page if KEY in run.data.tags)
            token = page.token
            if not token:
                return

    def _make(self, record: Record, content: str, parent: str | None) -> str:
        """Write a run, and at the end the tag that says that it is complete; return its id."""
        tags = {**record.tags, KEY: record.key, **({PARENT: parent} if parent is not None else {})}
        run = self.client.create_run(self.experiment, start_time=record.start, tags=tags, run_name=record.name)
        run_id = str(run.info.run_id)
        try:
            self._fill(run_id, record)
        except BaseException:  # a stop, too: a run that nobody writes any more must not look as if it went on
            with suppress(Exception):
                self.client.set_terminated(run_id, "KILLED")
            raise
        self.client.set_terminated(run_id, record.status, record.end)
        self.client.set_tag(run_id, CONTENT, content)
        return run_id

    def _fill(self, run_id: str, record: Record) -> None:
        from mlflow.entities import Metric, Param

        metrics = [Metric(name, value, record.end, step) for name, value, step in record.metrics]
        self.client.log_batch(run_id, metrics, [Param(name, text) for name, text in record.words().items()])
        with tempfile.TemporaryDirectory() as folder:  # MLflow takes a folder in one call
            for name, path in record.artifacts.items():
                link = Path(folder) / name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.absolute())
            self.client.log_artifacts(run_id, folder)


def _read_ledger(out: Path) -> dict[str, dict[str, str]]:
    """Return the state of each study by the address that it was written to. Without it MLflow is asked, so a damaged
    file costs only time.
    """
    try:
        return read_stored(
            out / LEDGER,
            lambda raw: {uri: dict(of) for uri, of in raw.items() if uri == without_secrets(uri)},
        )
    except FileNotFoundError:
        return {}
    except UnreadableError as error:
        log.warning("%s MLflow is asked what it has, and the file written anew.", error)
        return {}
