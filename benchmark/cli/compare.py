"""``bench compare``: two methods of one study or of two, or two columns of risks in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from survbench.cli.options import (
    DEFAULT_OUT,
    AsJson,
    OutOrPack,
    StudyName,
    examples,
    null,
    say,
    say_json,
    study_line,
)
from survbench.io.paths import expanded

if TYPE_CHECKING:
    from rich.table import Table
    from survbench.evaluation.compare import MethodComparison
    from survbench.statistics.significance import Comparison

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
    """Add the command."""
    app.command(
        "compare",
        epilog=examples(
            "bench compare deepmts radiomics-lasso-cox",
            "bench compare tlg volume --json",
            "bench compare deepmts@phantom-quick-1a2b3c4d deepmts@phantom-quick-5e6f7a8b",
            "bench compare deepmts@study.zip deepmts@bench-results",
            "bench compare --csv risks.csv",
            "bench compare --csv risks.csv --time months --event died --a ours --b theirs --json",
        ),
    )(compare)


def compare(
    a: Annotated[str | None, typer.Argument(metavar="A", help="A method, or METHOD@STUDY.", show_default=False)] = None,
    b: Annotated[
        str | None, typer.Argument(metavar="B", help="The other method, or METHOD@STUDY.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Compare two columns of risks in this file instead.", dir_okay=False)
    ] = None,
    time: Annotated[str | None, typer.Option(help="With --csv: column of times (default: time).")] = None,
    event: Annotated[str | None, typer.Option(help="With --csv: column of events (default: event).")] = None,
    event_code: Annotated[str | None, typer.Option(help="With --csv: the code of the event in it.")] = None,
    column_a: Annotated[
        str | None, typer.Option("--a", help="With --csv: a column of risks, higher for an earlier event.")
    ] = None,
    column_b: Annotated[str | None, typer.Option("--b", help="With --csv: the other column of risks.")] = None,
    fold: Annotated[str | None, typer.Option(help="With --csv: column of folds (default: fold, if there).")] = None,
    out: OutOrPack = DEFAULT_OUT,
    study: StudyName = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the same patients.

    Shown are the difference of C with its interval, p by every test, and what it means.

    Methods of two studies can be compared if both have the same patients, outcomes and folds (--splits of 'bench run').
    STUDY is a name under --out, or the path of a pack or of an output folder.
    """
    from survbench.errors import BenchError

    columns = {"--time": time, "--event": event, "--a": column_a, "--b": column_b, "--fold": fold}
    columns["--event-code"] = event_code
    if table is None:
        given = [option for option, value in columns.items() if value is not None]
        if given:
            raise BenchError(f"{', '.join(given)} belong to a table of risks. Add --csv FILE.")
        if a is None or b is None:
            raise BenchError("Give two methods of a study ('bench status' lists them), or a file with --csv FILE.")
        _compare_methods(a, b, expanded(out, "--out").absolute(), study, as_json=as_json)
        return
    if a is not None:
        raise BenchError(
            f"{a!r} is the name of a method, but --csv compares columns of a file. Name them with --a and --b, or "
            "leave out --csv."
        )
    if study is not None or out != DEFAULT_OUT:
        raise BenchError("--csv compares columns of a file, without a study. Leave out --study and --out.")
    _compare_columns(table, columns, as_json=as_json)


def _compare_methods(a: str, b: str, out: Path, study: str | None, *, as_json: bool) -> None:
    from survbench.actions.compare import compare_stored

    stored = compare_stored(a, b, out, study)
    result = stored.result
    if as_json:
        say_json(methods_json(result))
        return
    from rich.console import Console

    for of in stored.studies:
        say(study_line(of))
    for line in methods_lines(result):
        say(line)
    Console().print(_drivers(result))


def _compare_columns(path: Path, columns: dict[str, str | None], *, as_json: bool) -> None:
    import numpy as np
    from survbench.evaluation.direction import turned_round
    from survbench.evaluation.risk_notes import refuse_too_little, risk_notes
    from survbench.evaluation.risk_table import read_risks
    from survbench.statistics.significance import compare as compare_arrays

    table = read_risks(
        path,
        time=columns["--time"] or "time",
        event=columns["--event"] or "event",
        event_code=columns["--event-code"],
        a=columns["--a"],
        b=columns["--b"],
        fold=columns["--fold"],
    )
    refuse_too_little(table)
    result = compare_arrays(table.time, table.event, table.risk_a, table.risk_b, table.fold)
    folds = np.zeros(len(table.time)) if table.fold is None else table.fold
    turned = {
        name: how
        for name, risk in ((table.a, table.risk_a), (table.b, table.risk_b))
        if (how := turned_round(table.time, table.event, folds, risk))
    }
    notes = list(risk_notes(table))
    if as_json:
        codes = {"column": table.event_column, "observed": table.codes.observed, "censored": table.codes.censored}
        say_json({**to_json(result), "event": codes, "turned_round": list(turned), "notes": notes})
        return
    say(table.event_sentence)
    for line in lines(result, table.a, table.b, turned=tuple(turned)):
        say(line)
    for note in [*notes, *(f"{name}: {how}" for name, how in turned.items())]:
        say(f"Note: {note}")
    if not turned and max(result.c_index_a, result.c_index_b) < 0.5:
        say(
            "Note: Neither C-index reaches 0.5. Does a higher risk mean an earlier event, and is the code of the event "
            "right?"
        )


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
            "study_a": result.study_a,
            "study_b": result.study_b,
            "excluded": tested.excluded,
            "reasons": tested.reasons,
            "folds": result.folds,
            "patients": [asdict(patient) for patient in result.patients],
        }
    )
    return {**to_json(tested), **of_study}


def lines(result: Comparison, a: str, b: str, *, turned: tuple[str, ...] = ()) -> list[str]:
    """Return a comparison as lines of text, what it means last.

    Args:
        result: the comparison.
        a: name of the first model.
        b: name of the second.
        turned: of them, those whose C lies far below 0.5.
    """
    from survbench.statistics.significance import p_text

    text = [
        f"{result.n} patients, {result.events} events, {result.pairs:,} comparable pairs",
        f"C-index  {a}: {result.c_index_a:.3f}   {b}: {result.c_index_b:.3f}",
        f"{result.estimand}: {result.difference:+.3f} (95 % {result.ci_low:+.3f} to {result.ci_high:+.3f}), "
        f"standard error {result.se:.3f}".replace("(a - b)", f"({a} - {b})"),
        "p  " + ", ".join(f"{name} {p_text(p)}" for name, p in result.p.items()),
        f"Smallest difference detected with 80 % power: {result.smallest_detectable_difference:.3f}",
    ]
    if result.excluded:
        text.append(f"{result.excluded:,} bootstrap replicates had a fold without a comparable pair and were left out.")
    text += [f"Not known: {reason}" for reason in result.reasons]
    return [*text, result.meaning(a, b, turned=turned)]


def methods_lines(result: MethodComparison) -> list[str]:
    """Return a comparison of two methods as lines of text: that of their risks with C by fold before what it means."""
    *text, meaning = lines(result.tested, *result.labels)
    folds = ", ".join(f"{k}: {x:.3f} / {y:.3f}" for k, (x, y) in enumerate(result.folds))
    return [*text, f"C by fold  {folds}", meaning]


def _drivers(result: MethodComparison) -> Table:
    """Return the patients on whom a difference leans, for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Patients that drive the difference", title_justify="left")
    a, b = result.labels
    for name in ("patient", "months", "event", "fold", f"risk rank by {a}", f"by {b}", "influence"):
        table.add_column(name)
    for p in result.patients:
        ranks = (f"{p.rank_a:g} of {p.of}", f"{p.rank_b:g} of {p.of}")
        event = "yes" if p.event else "no"
        table.add_row(Text(p.id), f"{p.time:.1f}", event, str(p.fold), *ranks, f"{p.influence:+.4f}")
    return table
