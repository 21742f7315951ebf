"""The verb ``compare``: two methods of a study, or two columns of risks in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from survbench.cli.studies import StudyName, find_study, study_line
from survbench.cli.text import DEFAULT_OUT, AsJson, Out, examples, null, say, say_json

if TYPE_CHECKING:
    from rich.table import Table
    from survbench.leaderboard.compare import MethodComparison
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
    from survbench.leaderboard.compare import compare_methods
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
    result = compare_methods(chosen, Store(out), a, b, resamples=int(chosen.profile["resamples"]))
    if as_json:
        say_json(methods_json(result))
        return
    from rich.console import Console

    say(study_line(chosen))
    for line in methods_lines(result):
        say(line)
    Console().print(_drivers(result))


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
        say_json(to_json(result))
    else:
        for line in lines(result, table.a, table.b):
            say(line)


def to_json(result: Comparison) -> dict[str, Any]:
    """Return a comparison of two columns of risks as JSON; what is not a number is None."""
    found: dict[str, Any] = null({key: getattr(result, key) for key in IN_JSON})
    return found


def methods_json(result: MethodComparison) -> dict[str, Any]:
    """Return a comparison of two methods as JSON: that of their risks, and what only a study knows."""
    from dataclasses import asdict

    tested = result.tested
    of_study: dict[str, Any] = null(
        {
            "a": result.a,
            "b": result.b,
            "excluded": tested.excluded,
            "reasons": tested.reasons,
            "folds": result.folds,
            "patients": [asdict(patient) for patient in result.patients],
        }
    )
    return {**to_json(tested), **of_study}


def lines(result: Comparison, a: str, b: str) -> list[str]:
    """Return a comparison as lines of text, what it means last.

    Args:
        result: the comparison.
        a: name of the first model.
        b: name of the second.
    """
    text = [
        f"{result.n} patients, {result.events} events, {result.pairs:,} comparable pairs",
        f"C-index  {a}: {result.c_index_a:.3f}   {b}: {result.c_index_b:.3f}",
        f"{result.estimand}: {result.difference:+.3f} (95 % {result.ci_low:+.3f} to {result.ci_high:+.3f}), "
        f"standard error {result.se:.3f}".replace("(a - b)", f"({a} - {b})"),
        "p  " + ", ".join(f"{name} {p:.4f}" for name, p in result.p.items()),
        f"Smallest difference that is found with 80 % power: {result.smallest_detectable_difference:.3f}",
    ]
    if result.excluded:
        text.append(f"{result.excluded:,} bootstrap replicates had a fold without a comparable pair and were left out.")
    text += [f"Not known: {reason}" for reason in result.reasons]
    return [*text, result.meaning(a, b)]


def methods_lines(result: MethodComparison) -> list[str]:
    """Return a comparison of two methods as lines of text: that of their risks with C by fold before what it means."""
    *text, meaning = lines(result.tested, result.a, result.b)
    folds = ", ".join(f"{k}: {x:.3f} / {y:.3f}" for k, (x, y) in enumerate(result.folds))
    return [*text, f"C by fold  {folds}", meaning]


def _drivers(result: MethodComparison) -> Table:
    """Return the patients on whom a difference leans, for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Patients that drive the difference", title_justify="left")
    for name in ("patient", "months", "event", "fold", f"risk rank by {result.a}", f"by {result.b}", "influence"):
        table.add_column(name)
    for p in result.patients:
        ranks = (f"{p.rank_a:g} of {p.of}", f"{p.rank_b:g} of {p.of}")
        event = "yes" if p.event else "no"
        table.add_row(Text(p.id), f"{p.time:.1f}", event, str(p.fold), *ranks, f"{p.influence:+.4f}")
    return table
