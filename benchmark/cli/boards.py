"""Verbs on results: ``leaderboard build``, ``selection``, ``null-check``, ``masks``, ``track``, ``ui``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from survbench.cli.studies import StudyName, find_study, study_line
from survbench.cli.text import DEFAULT_OUT, AsJson, Out, examples, say, say_json

TrackingUri = Annotated[str | None, typer.Option(help="MLflow server (default: a file in --out).")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(help="Build leaderboards from stored runs.", no_args_is_help=True)
    group.command("build", epilog=examples("bench leaderboard build", "bench leaderboard build --out results"))(build)
    app.add_typer(group, name="leaderboard")
    app.command(
        "selection",
        epilog=examples("bench selection radiomics-lasso-cox", "bench selection radiomics-rsf --json"),
    )(selection)
    app.command(
        "null-check",
        epilog=examples(
            "bench null-check --methods clinical-cox,radiomics-lasso-cox",
            "bench null-check --methods deepmts --permutations 40",
        ),
    )(null_check)
    app.command(
        "masks", epilog=examples("bench masks deepmts --to masks/", "bench masks unet --cohort sts51 --data ~/sts51")
    )(masks)
    app.command("track", epilog=examples("bench track", "bench track --tracking-uri http://server:5000"))(track)
    app.command("ui", epilog=examples("bench ui", "bench ui --port 5001"))(ui)


def build(out: Out = DEFAULT_OUT) -> None:
    """Rebuild every study's leaderboard (Markdown, CSV, JSON, HTML), the paper's tables (also LaTeX), the tables of
    kept features, and the site from its runs.
    """
    from survbench.runner import build_and_write
    from survbench.store import Store
    from survbench.study import find_studies, latest_study

    out = out.expanduser().absolute()
    latest_study(out)
    for study in find_studies(out):
        build_and_write(study, Store(out))
        say(f"{study.folder(out) / 'leaderboard.html'} (also .md, .csv, .json), site/index.html")


def selection(
    method: Annotated[str, typer.Argument(help="A method that selects features.")],
    out: Out = DEFAULT_OUT,
    study: StudyName = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show which features the fits of a method kept, with what weight, and how stable that is across folds."""
    from survbench.leaderboard import selection as selecting
    from survbench.leaderboard import selection_files
    from survbench.store import Store

    out = out.expanduser().absolute()
    of = find_study(out, study)
    chosen = selecting.selection(of, Store(out), method)
    if as_json:
        say_json(selection_files.to_json(chosen))
        return
    from rich.console import Console

    say(study_line(of))
    Console().print(selection_files.render(chosen))


def null_check(
    methods: Annotated[str, typer.Option(help="all, NAME,... or @FAMILY.")],
    permutations: Annotated[int, typer.Option(min=20, help="How often outcomes are permuted.")] = 20,
    profile: Annotated[str, typer.Option(help="smoke, quick, lab, paper, or a YAML file.")] = "smoke",
    cohort: Annotated[str, typer.Option(help="A named cohort, a folder with cohort.yaml, or a card file.")] = "phantom",
    data: Annotated[Path | None, typer.Option(help="Folder of a named cohort's data.", file_okay=False)] = None,
    out: Out = DEFAULT_OUT,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at once (default: one per core).")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Permute outcomes over patients and see that every method falls to chance.

    A mean C-index further than 4 standard errors from 0.5 means that something leaks; the verb then ends with 1.
    """
    from survbench import nullcheck, runner
    from survbench.profile import load_profile

    request = runner.Request(
        methods=methods,
        cohort=cohort,
        data=data,
        profile=load_profile(profile),
        workers=workers or runner.available_workers(),
        out=out.expanduser().absolute(),
    )
    results = nullcheck.null_check(request, permutations=permutations)
    if as_json:
        say_json([{"method": r.method, "mean": r.mean, "se": r.se, "z": r.z, "passed": r.passed} for r in results])
    else:
        for r in results:
            verdict = "as chance" if r.passed else "LEAKS"
            say(f"{r.method:<24} C {r.mean:.3f} +- {r.se:.3f} ({r.permutations} permutations), z {r.z:+.1f}: {verdict}")
    if not all(r.passed for r in results):
        raise typer.Exit(1)


def masks(
    method: Annotated[str, typer.Argument(help="A method that segments.")],
    cohort: Annotated[
        str, typer.Option(help="The study's cohort or its external one, as given to 'bench run'.")
    ] = "phantom",
    data: Annotated[Path | None, typer.Option(help="Folder of a named cohort's data.", file_okay=False)] = None,
    to: Annotated[Path, typer.Option("--to", help="Folder for the files.", file_okay=False)] = Path("masks"),
    out: Out = DEFAULT_OUT,
    study: StudyName = None,
) -> None:
    """Write predicted tumour masks as NIfTI files on the grid of each patient's own images."""
    from survbench.datasets.named import load_source
    from survbench.export import export_masks
    from survbench.profile import Profile
    from survbench.store import Store

    out = out.expanduser().absolute()
    chosen = find_study(out, study)
    source = load_source(cohort, profile=Profile.model_validate(dict(chosen.profile)), data=data)
    files = export_masks(chosen, Store(out), method, source, to)
    say(f"Wrote {len(files)} masks to {to}.")


def track(out: Out = DEFAULT_OUT, tracking_uri: TrackingUri = None) -> None:
    """Project all studies into MLflow; what is there already is left alone."""
    from survbench.errors import BenchError
    from survbench.store import Store
    from survbench.study import find_studies, latest_study
    from survbench.tracking import TrackingError
    from survbench.tracking import track as project

    out = out.expanduser().absolute()
    latest_study(out)
    for study in find_studies(out):
        try:
            report = project(study, Store(out), out, tracking_uri=tracking_uri, trust_ledger=False)
        except TrackingError as error:
            raise BenchError(f"MLflow could not be updated: {error} Mend it and run 'bench track' again.") from error
        say(f"{study.name}: {report.new} new and {report.known} known runs in {report.uri}")


def ui(
    out: Out = DEFAULT_OUT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    tracking_uri: TrackingUri = None,
    *,
    expose: Annotated[
        bool, typer.Option("--expose-without-login", help="Allow other hosts: anybody there can read and change it.")
    ] = False,
) -> None:
    """Open the MLflow UI on what 'bench run' has tracked."""
    import os
    import subprocess

    from survbench.errors import BenchError
    from survbench.tracking import default_uri, ui_command, ui_environment

    if host not in {"127.0.0.1", "localhost", "::1"} and not expose:
        raise BenchError(
            f"--host {host} would let everybody on the network read and change your results: MLflow has no login here. "
            "Use an SSH tunnel, or add --expose-without-login if that is what you want."
        )
    uri = tracking_uri or default_uri(out.expanduser().absolute())
    say(f"MLflow on http://{host}:{port} (stop with Ctrl-C)")
    environment = {**os.environ, **ui_environment()}
    completed = subprocess.run(ui_command(uri, host, port), env=environment, check=False)
    raise typer.Exit(completed.returncode)
