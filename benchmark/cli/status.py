"""``bench status``: what is done, failed and pending, how jobs ended, which fits have learned, and what can go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from survbench.cli.options import DEFAULT_OUT, AsJson, OutOrPack, aligned, disk_size, examples, say, say_json
from survbench.io.layout import RUNS, SCRATCH, Status
from survbench.io.paths import expanded

if TYPE_CHECKING:
    from survbench.actions.clean import DiskUse
    from survbench.plan.study import Study
    from survbench.runs.store import Run, Store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "status",
        epilog=examples(
            "bench status",
            "bench status --out results --json",
            "bench status 1a2b3c4d",
            "bench status deepmts",
            "bench status phantom-quick-1a2b3c4d",
            "bench status --clean",
        ),
    )(status)


def status(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB|STUDY",
            help="The start of a job's key, or the name of a method or a study.",
            show_default=False,
        ),
    ] = None,
    out: OutOrPack = DEFAULT_OUT,
    *,
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove runs, scratch and partial files that no study refers to.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is done and pending, how a job ended, or which fits of a study have learned.

    Without JOB: the jobs of every method of every study, and how much disk they take.

    With JOB: how it ended, and what it printed.

    With STUDY: the same as without, of this study, and a line for each fit of which it was checked whether it learned.

    With --clean: what no study refers to is removed; prepared cohorts and the cache stay.
    """
    from survbench.errors import BenchError
    from survbench.plan.study import find_studies
    from survbench.runs.store import Store

    store = Store(expanded(out, "--out").absolute())
    if clean and job is not None:
        raise BenchError(f"--clean removes what no study refers to, of all jobs. Leave out {job!r} or --clean.")
    if clean:
        _clean(store, as_json=as_json)
    elif job is not None:
        study = next((study for study in find_studies(store.root) if study.name == job), None)
        if study is None:
            _show_jobs(store, job, as_json=as_json)
        else:
            _show_study(store, study, as_json=as_json)
    else:
        _show_studies(store, as_json=as_json)


def _show_studies(store: Store, *, as_json: bool) -> None:
    from dataclasses import asdict

    from survbench.actions.clean import disk_use
    from survbench.plan.study import find_studies

    rows, disk = [row for study in find_studies(store.root) for row in _rows(store, study)], disk_use(store)
    if as_json:
        say_json({"studies": rows, "disk": asdict(disk)})
        return
    if not rows:
        say(f"Nothing has run under {store.root}. Start with 'bench run'.")
    shown = ""
    for row in rows:
        if row["study"] != shown:
            shown = str(row["study"])
            say(shown)
        say(_line(row))
    say(_disk_line(disk))


def _line(row: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in row["states"].items())
    counts = counts or f"averages {', '.join(row['members'])}"
    outside = f" (not predicted outside: {row['skipped_external']})" if row["skipped_external"] else ""
    retried = f" ({row['retried']} after another attempt)" if row["retried"] else ""
    return f"  {row['method']:<24} {counts}{retried}{outside}"


def _rows(store: Store, study: Study) -> list[dict[str, Any]]:
    """Return a row for each method of a study: how many of its jobs are in which state."""
    rows = []
    for entry in study.entries:
        states = Counter(_state(store, key) for key in entry.keys)
        retried = sum(bool(run.record.retried) for key in entry.keys if (run := store.read(key)) is not None)
        if entry.skipped:
            states[Status.SKIPPED] = 1
        rows.append(
            {
                "study": study.name,
                "method": entry.name,
                "states": dict(sorted(states.items())),
                "retried": retried,
                "members": list(entry.members),
                "skipped_external": entry.skipped_external,
            }
        )
    return rows


def _show_study(store: Store, study: Study, *, as_json: bool) -> None:
    """Show the methods of a study, and a line for each fit of which it was checked whether it has learned."""
    from dataclasses import asdict

    from survbench.evaluation.gather import gather
    from survbench.evaluation.learning import checked
    from survbench.leaderboard.text.cells import filled
    from survbench.leaderboard.text.learning_cells import learning_cells

    rows, methods = _rows(store, study), gather(study, store).methods
    fits = [(name, run.job, found) for name, result in methods.items() for run, found in checked(result.runs)]
    if as_json:
        told = [
            {
                "method": name,
                "seed": job.seed,
                "fold": job.fold,
                "verdict": found.verdict,
                "least_c": found.least_c,
                **asdict(found),
            }
            for name, job, found in fits
        ]
        say_json({"study": study.name, "methods": rows, "fits": told})
        return
    say(study.name)
    for row in rows:
        say(_line(row))
    if not fits:
        say(
            "Whether a fit has learned was not measured: no method declares 'selects', or an earlier version made "
            "the fits."
        )
        return
    shown = filled(
        [
            {"Method": name, "Seed": str(job.seed), "Fold": str(job.fold), **learning_cells(found)}
            for name, job, found in fits
        ]
    )
    for line in aligned([tuple(shown[0]), *(tuple(row.values()) for row in shown)]):
        say(line)


def _state(store: Store, key: str) -> Status:
    if store.is_done(key):
        return Status.OK
    run = store.read(key)
    if (store.root / SCRATCH / key).is_dir() and (store.root / ".holder").exists():
        return Status.RUNNING
    return run.status if run is not None and run.status != Status.OK else Status.PENDING


def _disk_line(disk: DiskUse) -> str:
    if disk.unreferenced is None:
        of_runs = "those that no study refers to are not known: 'bench status --clean' says why"
    elif disk.unreferenced:
        of_runs = f"{disk_size(disk.unreferenced)} that no study refers to: 'bench status --clean' removes them"
    else:
        of_runs = "all belong to studies"
    runs, cache, scratch = (disk_size(count) for count in (disk.runs, disk.cache, disk.scratch))
    left = f", {disk_size(disk.left_over)} left over by jobs that are gone" if disk.left_over else ""
    return f"Disk: runs {runs} ({of_runs}), cache {cache}, scratch {scratch}{left}"


def _show_jobs(store: Store, job: str, *, as_json: bool) -> None:
    runs = _runs_of(store, job)
    if as_json:
        say_json([{"key": run.key, "job": run.job.label, "status": run.status, **_said(run)} for run in runs])
        return
    for run in runs:
        said = _said(run)
        say(f"{run.key}  {run.job.label}: {run.status}")
        for before in run.record.retried:
            say(f"An earlier attempt: {before.type}: {before.message}")
        if said["error"]:
            say(f"{said['error']['type']}: {said['error']['message']}")
            say(said["error"]["traceback"])
        if said["log"]:
            say(said["log"])


def _runs_of(store: Store, job: str) -> list[Run]:
    from survbench.errors import BenchError
    from survbench.runs.store import PART, RECORD

    folders = sorted(p.parent for p in (store.root / RUNS).glob(f"*/{RECORD}") if PART not in p.parent.name)
    runs = [run for folder in folders if (run := store.read(folder.name)) is not None]
    chosen = [run for run in runs if run.key.startswith(job) or run.job.method == job]
    if not chosen:
        raise BenchError(
            f"No job and no study under {store.root} is called {job!r}. 'bench status' shows what has run."
        )
    return chosen


def _said(run: Run) -> dict[str, Any]:
    """Return the error of a run, or None, what stopped earlier attempts, and what it printed."""
    from survbench.runs.store import LOG

    path = run.folder / LOG
    text = path.read_text(encoding="utf-8", errors="replace").rstrip() if path.is_file() else ""
    retried = [error.model_dump() for error in run.record.retried]
    return {"error": run.record.error and run.record.error.model_dump(), "retried": retried, "log": text}


def _clean(store: Store, *, as_json: bool) -> None:
    from dataclasses import asdict

    from survbench.actions.clean import clean

    removed = clean(store)
    total = sum(one.bytes for one in removed)
    if as_json:
        say_json({"removed": [asdict(one) for one in removed], "bytes": total})
        return
    for one in removed:
        say(f"Removed {one.path}: {one.what}, {disk_size(one.bytes)}")
    what = f"{disk_size(total)} are free now" if removed else "There was nothing to remove"
    say(f"{what}. Prepared cohorts and the cache were left alone.")
