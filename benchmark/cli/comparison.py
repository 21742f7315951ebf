"""The verb ``compare``: two methods of a study, or two columns of risks in a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from survbench.cli.studies import StudyName, find_study, study_line
from survbench.cli.text import DEFAULT_OUT, AsJson, Out, examples, say, say_json

if TYPE_CHECKING:
    from survbench.significance import Comparison

IN_JSON = (
    "n",
    "events",
    "pairs",
    "c_index_a",
    "c_index_b",
    "difference",
    "se",
    "ci_low",
    "ci_high",
    "estimand",
    "p",
    "z",
    "smallest_detectable_difference",
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        "compare",
        epilog=examples(
            "bench compare deepmts radiomics-lasso-cox",
            "bench compare tlg volume --json",
            "bench compare --csv risks.csv",
            "bench compare --csv risks.csv --time months --event died --a ours --b theirs --json",
        ),
    )(compare)


def compare(
    a: Annotated[str | None, typer.Argument(help="A method of a study.", show_default=False)] = None,
    b: Annotated[str | None, typer.Argument(help="Another method.", show_default=False)] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Compare two columns of risks in this file instead.", dir_okay=False)
    ] = None,
    time: Annotated[str | None, typer.Option(help="With --csv: column of times (default: time).")] = None,
    event: Annotated[str | None, typer.Option(help="With --csv: column of events, 0 or 1 (default: event).")] = None,
    column_a: Annotated[
        str | None, typer.Option("--a", help="With --csv: a column of risks, higher for an earlier event.")
    ] = None,
    column_b: Annotated[str | None, typer.Option("--b", help="With --csv: the other column of risks.")] = None,
    fold: Annotated[str | None, typer.Option(help="With --csv: column of folds (default: fold, if there).")] = None,
    out: Out = DEFAULT_OUT,
    study: StudyName = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same patients: difference of C with its interval, p by every test, what it means."""
    from survbench.errors import BenchError

    columns = {"--time": time, "--event": event, "--a": column_a, "--b": column_b, "--fold": fold}
    if table is None:
        given = [option for option, value in columns.items() if value is not None]
        if given:
            raise BenchError(f"{', '.join(given)} name columns of a file. Add --csv FILE.")
        if a is None or b is None:
            raise BenchError("Give two methods of a study ('bench status' lists them), or a file with --csv FILE.")
        _compare_methods(a, b, out.expanduser().absolute(), study, as_json=as_json)
        return
    if a is not None:
        raise BenchError(f"{a!r} is a method, --csv compares columns. Name them with --a and --b, or leave out --csv.")
    if study is not None or out != DEFAULT_OUT:
        raise BenchError("--csv compares columns of a file, without a study. Leave out --study and --out.")
    _compare_columns(table, columns, as_json=as_json)


def _compare_methods(a: str, b: str, out: Path, study: str | None, *, as_json: bool) -> None:
    from survbench.errors import BenchError
    from survbench.leaderboard import compare as comparing
    from survbench.store import Store
    from survbench.study import find_studies

    chosen = find_study(out, study)
    missing = [name for name in (a, b) if name not in {e.name for e in chosen.entries}]
    elsewhere = [s.name for s in find_studies(out) if {a, b} <= {e.name for e in s.entries}]
    if missing and elsewhere:
        raise BenchError(
            f"{' and '.join(missing)} is not in {chosen.name}. Choose a study of both with --study: "
            f"{', '.join(elsewhere)}."
        )
    result = comparing.compare(chosen, Store(out), a, b, resamples=int(chosen.profile["resamples"]))
    if as_json:
        say_json(comparing.to_json(result))
        return
    from rich.console import Console

    say(study_line(chosen))
    Console().print(comparing.render(result))


def _compare_columns(path: Path, columns: dict[str, str | None], *, as_json: bool) -> None:
    from survbench.risk_table import read_risks
    from survbench.significance import compare as compare_arrays

    table = read_risks(
        path,
        time=columns["--time"] or "time",
        event=columns["--event"] or "event",
        a=columns["--a"],
        b=columns["--b"],
        fold=columns["--fold"],
    )
    result = compare_arrays(table.time, table.event, table.risk_a, table.risk_b, table.fold)
    if as_json:
        say_json({key: _null(getattr(result, key)) for key in IN_JSON})
    else:
        for line in _lines(result, table.a, table.b):
            say(line)


def _lines(result: Comparison, a: str, b: str) -> list[str]:
    lines = [
        f"{result.n} patients, {result.events} events, {result.pairs:,} comparable pairs",
        f"C-index  {a}: {result.c_index_a:.3f}   {b}: {result.c_index_b:.3f}",
        f"{result.estimand}: {result.difference:+.3f} (95 % {result.ci_low:+.3f} to {result.ci_high:+.3f}), "
        f"standard error {result.se:.3f}".replace("(a - b)", f"({a} - {b})"),
        "p  " + ", ".join(f"{name} {p:.4f}" for name, p in result.p.items()),
        f"Smallest difference that is found with 80 % power: {result.smallest_detectable_difference:.3f}",
    ]
    if result.excluded:
        lines.append(
            f"{result.excluded:,} bootstrap replicates had a fold without a comparable pair and were left out."
        )
    lines += [f"Not known: {reason}" for reason in result.reasons]
    return [*lines, result.meaning(a, b)]


def _null(value: Any) -> Any:
    """Return a value for JSON, in which what is not a number is null."""
    if isinstance(value, dict):
        return {key: _null(each) for key, each in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
