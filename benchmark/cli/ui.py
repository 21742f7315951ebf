"""``bench ui``: all studies in MLflow, and MLflow's pages in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from survbench.cli.options import DEFAULT_OUT, OutOrPack, Pseudonyms, TrackingUri, examples, say
from survbench.io.paths import expanded

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "ui",
        epilog=examples("bench ui", "bench ui --port 5001", "bench ui --only-track --tracking-uri http://server:5000"),
    )(ui)


def ui(
    out: OutOrPack = DEFAULT_OUT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    tracking_uri: TrackingUri = None,
    pseudonyms: Pseudonyms = None,
    *,
    only_track: Annotated[bool, typer.Option("--only-track", help="Bring MLflow up to date and stop.")] = False,
    expose: Annotated[
        bool,
        typer.Option(
            "--expose-without-login", help="Allow other hosts: anybody on them can read and change the results."
        ),
    ] = False,
) -> None:
    """Bring all studies into MLflow and serve its pages.

    What is in MLflow already is left alone.
    """
    from survbench.errors import BenchError

    if host not in LOCAL and not expose:
        raise BenchError(
            f"--host {host} would let everybody on the network read and change your results: MLflow has no login here. "
            "Use an SSH tunnel, or add --expose-without-login if that is what you want."
        )
    out = expanded(out, "--out").absolute()
    _track(out, tracking_uri, pseudonyms)
    if not only_track:
        _serve(out, host, port, tracking_uri)


def _track(out: Path, uri: str | None, pseudonyms: Path | None) -> None:
    """Project all studies, of which there must be one."""
    from survbench.actions.build import restore_board
    from survbench.errors import BenchError
    from survbench.plan.study import find_studies, latest_study
    from survbench.runs.store import Store
    from survbench.tracking.failures import TrackingError
    from survbench.tracking.mlflow_writer import track

    store = Store(out)
    for study in find_studies(out) or [latest_study(out)]:  # the latter says what to do where there is none
        restore_board(study, store, pseudonyms=pseudonyms)
        try:
            report = track(study, store, out, tracking_uri=uri, trust_ledger=False, pseudonyms=pseudonyms)
        except TrackingError as error:
            raise BenchError(f"MLflow could not be updated: {error} Then run 'bench ui' again.") from error
        say(f"{study.name}: {report.new} new and {report.unchanged} unchanged runs in {report.uri}")


def _serve(out: Path, host: str, port: int, uri: str | None) -> None:
    """Serve MLflow's pages until it is stopped."""
    import os
    import subprocess

    from survbench.tracking.mlflow_writer import default_uri, ui_command, ui_environment

    say(f"MLflow on http://{host}:{port} (stop with Ctrl-C)")
    environment = {**os.environ, **ui_environment(uri or default_uri(out))}
    completed = subprocess.run(ui_command(host, port), env=environment, check=False)
    raise typer.Exit(completed.returncode)
