"""``bench run``: methods on a cohort, and the leaderboard."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from survbench.cli.options import (
    COHORT_HELP,
    DEFAULT_OUT,
    METHODS_HELP,
    PROFILE_HELP,
    AsJson,
    Data,
    Ignore,
    Out,
    Pseudonyms,
    SkipBad,
    TrackingUri,
    Workers,
    examples,
    say,
    say_json,
)
from survbench.cli.progress import cost_lines, disk_line, memory_line, plan_lines, watching

if TYPE_CHECKING:
    from survbench.actions.planned import Planned
    from survbench.actions.request import Request
    from survbench.actions.run import Result


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "run",
        epilog=examples(
            "bench run",
            "bench run --methods clinical-cox,@radiomics,deepmts --seeds 3",
            "bench run --cohort sts51 --data ~/sts51 --methods all",
            "bench run --cohort my-cohort/ --external other-hospital/ --splits folds.json",
            "bench run --methods @table-2 --tune nested",
            "bench run --methods all,-@reference,-dlpm",
            "bench run --executor ray --out /shared/results",
            "bench run --dry-run",
        ),
    )(run)


def run(
    methods: Annotated[str, typer.Option(help=METHODS_HELP)] = "all",
    cohort: Annotated[str, typer.Option(help=COHORT_HELP)] = "phantom",
    data: Data = None,
    external: Annotated[str | None, typer.Option(help="External test cohort, named or a path.")] = None,
    profile: Annotated[str, typer.Option(help=PROFILE_HELP)] = "quick",
    ignore: Ignore = None,
    splits: Annotated[Path | None, typer.Option(help="Your own folds: JSON or CSV.", dir_okay=False)] = None,
    selection: Annotated[
        Literal["last", "inner", "paper"],
        typer.Option(
            help="Checkpoint that networks keep: the last, by inner validation, or the published (optimistic) way."
        ),
    ] = "last",
    tune: Annotated[
        Literal["none", "paper", "nested"],
        typer.Option(help="Hyper-parameters: as declared, the published (optimistic) way, or by inner folds."),
    ] = "none",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds per stochastic method; the board shows mean and sd.")] = 1,
    workers: Workers = None,
    out: Out = DEFAULT_OUT,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks train.")] = "auto",
    executor: Annotated[
        str,
        typer.Option(
            help="Where jobs run: local, ray for the cluster that this machine belongs to, or ray://HOST:PORT."
        ),
    ] = "local",
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, and what each method costs, and stop.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything again, including what is done.")] = False,
    skip_bad: SkipBad = False,
    tracking_uri: TrackingUri = None,
    pseudonyms: Pseudonyms = None,
    as_json: AsJson = False,
) -> None:
    """Run methods on a cohort and print the leaderboard.

    Jobs that are done are not run again, so an interrupted run goes on where it was stopped.
    Exit codes: 0 all done, 1 a job failed, 2 wrong usage or data, 130 and 143 stopped.
    """
    from survbench.actions import planning
    from survbench.actions.request import request_of
    from survbench.actions.run import run_study
    from survbench.actions.track import track_if_possible

    request = request_of(
        methods=methods,
        cohort=cohort,
        data=data,
        external=external,
        profile=profile,
        ignore=ignore,
        splits=splits,
        selection=selection,
        tune=tune,
        seeds=seeds,
        workers=workers,
        out=out,
        device=device,
        executor=executor,
        fresh=fresh,
        skip_bad=skip_bad,
        pseudonyms=pseudonyms,
    )
    if dry_run:
        _show_dry_run(planning.dry_run(request), request, as_json=as_json)
        return
    try:
        with watching(request.at_once, request.out, to_stderr=as_json) as watcher:
            result = run_study(request, watcher)
        track_if_possible(result.study, request.out, tracking_uri=tracking_uri, pseudonyms=request.pseudonyms)
    except (KeyboardInterrupt, SystemExit):
        typer.echo("Stopped. What is done is kept; run the same command again to go on.", err=True)
        raise
    _show_result(result, request, as_json=as_json)
    nothing = all(entry.skipped for entry in result.study.entries)
    if nothing:
        typer.echo("Nothing was run: the cohort lacks what these methods need (see above).", err=True)
    if result.failed or nothing:
        raise typer.Exit(1)


def _show_dry_run(planned: Planned, request: Request, *, as_json: bool) -> None:
    if as_json:
        from survbench.io.files import rounded

        forecast = planned.forecast(request.at_once)
        say_json(
            {
                "study": planned.study.name,
                "forecast_seconds": rounded(forecast.remaining_s(0.0)),
                "forecast_mb": rounded(forecast.most_mb()),
                "costs": [{**rounded(asdict(cost)), "method": cost.method or None} for cost in forecast.costs(0.0)],
                "cached": sorted(planned.cached),
                "to_do": [job.key for job in planned.to_do],
                "skipped": {e.name: e.skipped for e in planned.study.entries if e.skipped},
                "skipped_external": {e.name: e.skipped_external for e in planned.study.entries if e.skipped_external},
                "to_prepare": planned.to_prepare,
                "findings": [asdict(finding) for finding in planned.study.findings],
            }
        )
        return
    for line in (*plan_lines(planned, request.at_once), *cost_lines(planned, request.at_once)):
        say(line)
    if planned.to_do and request.cluster is None:
        say(memory_line(planned, request.at_once))
    if planned.to_do or planned.to_prepare:
        say(disk_line(planned, request.out))
    if planned.to_prepare:
        say("Voxels were not read; 'bench cohort check' reads them.")


def _show_result(result: Result, request: Request, *, as_json: bool) -> None:
    from survbench.io.layout import RUNS
    from survbench.io.study_files import BOARD_HTML, BOARD_JSON, SITE

    folder = result.study.folder(request.out)
    if as_json:
        say((folder / BOARD_JSON).read_text(encoding="utf-8").rstrip())
        return
    from rich.console import Console
    from survbench.leaderboard.site.tuning_page import PAGE as TUNING
    from survbench.leaderboard.writers.board_files import WIDEST, terminal_table

    console = Console(width=None if sys.stdout.isatty() else WIDEST)
    console.print(terminal_table(result.board, width=console.width))
    logged = {f.sentence for f in result.study.findings if f.severity != "note" and not f.ignored}
    for note in result.board.notes:
        if note not in logged:
            say(f"Note: {note}")
    for job in result.failed:
        say(f"Failed: {job.label}; see 'bench status {job.key[:8]}'")
    say(f"Leaderboard: {folder / BOARD_HTML} (also .md, .csv, .json)")
    say(f"Site:        {folder / SITE / 'index.html'}")
    if (folder / SITE / TUNING[0]).is_file():
        say(f"Tuning:      {folder / SITE / TUNING[0]}: what was tried and chosen")
    say(f"Runs:        {request.out / RUNS}")
    say("Next:        'bench compare A B', 'bench ui' for MLflow, 'bench study board'")
