"""``bench cohort``: bring a cohort of your own, describe it, check it, and take its radiomics out as a table."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from survbench.cli import ingest
from survbench.cli.options import (
    COHORT_HELP,
    DEFAULT_OUT,
    PROFILE_HELP,
    AsJson,
    Data,
    Ignore,
    Out,
    SkipBad,
    Workers,
    examples,
    say,
    say_json,
)
from survbench.findings import SEVERITIES
from survbench.io.paths import expanded

if TYPE_CHECKING:
    from survbench.actions.extract import Extracted
    from survbench.datasets.cohorts.validate import Report

SHOWN = 5
"""Features, patients or columns that a line names of one kind of finding."""
CohortName = Annotated[str, typer.Argument(help=COHORT_HELP)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Read DICOM, describe a cohort of your own, check it, extract its radiomics.", no_args_is_help=True
    )
    ingest.register(group)
    group.command("init", epilog=examples("bench cohort init my-cohort/ --table my-cohort/clinical.csv"))(init)
    group.command("check", epilog=examples("bench cohort check my-cohort/", "bench cohort check sts51 --data ~/sts51"))(
        check
    )
    group.command(
        "features",
        epilog=examples(
            "bench cohort features phantom --profile smoke",
            "bench cohort features sts51 --data ~/sts51 --to sts51.csv",
            "bench cohort features my-cohort/ --set paper-fixed-width --workers 8",
        ),
    )(features)
    group.command("example", epilog=examples("bench cohort example patients/"))(example)
    app.add_typer(group, name="cohort")


def init(
    folder: Annotated[Path, typer.Argument(help="Folder with images and tables.", exists=True, file_okay=False)],
    table: Annotated[Path, typer.Option(help="CSV, TSV or Parquet, a row per patient; a path, or a name in FOLDER.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing card.")] = False,
) -> None:
    """Draft a card for a table and images or features; look it over, then 'bench cohort check FOLDER'.

    What the table does not tell (which column or code is the outcome) is TODO, never guessed.
    """
    from survbench.datasets.cohorts.named import CARD_FILE
    from survbench.datasets.drafting.draft import draft_card
    from survbench.errors import BenchError
    from survbench.io.files import write_text

    target = folder / CARD_FILE
    if target.exists() and not force:
        raise BenchError(f"{target} exists. Give --force to replace it.")
    draft = draft_card(folder, table if table.exists() else folder / table)
    write_text(target, draft.text)
    then = f"then run: bench cohort check {shlex.quote(str(folder))}"
    fill = "Fill in every TODO and check" if draft.todo else "Check"
    say(f"Wrote {target}. {fill} every GUESS in it, {then}")
    for line in draft.todo:
        say(f"TODO      {line}")
    for line in draft.notes:
        say(f"Note      {line}")
    for reason, columns in draft.left_out.items():
        shown = ", ".join(columns[:SHOWN]) + (f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else "")
        say(f"Left out  {shown}: {reason}")


def example(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.", file_okay=False)],
    profile: Annotated[
        str, typer.Option(help=f"{PROFILE_HELP} It sets the number of patients and the grid.")
    ] = "smoke",
) -> None:
    """Write the embedded cohort as two hospitals' folders, images and tables without cards, to try the commands on."""
    from survbench.datasets.cohorts.named import PHANTOMS, load_source
    from survbench.datasets.phantom.folder import TABLE, write_folder
    from survbench.errors import BenchError
    from survbench.plan.profile import load_profile

    if folder.exists():
        raise BenchError(f"{folder} exists. Name a folder that does not.")
    loaded = load_profile(profile)
    for name, hospital in zip(PHANTOMS, ("hospital-a", "hospital-b"), strict=True):
        source = load_source(name, profile=loaded)
        write_folder(source, folder / hospital)
        say(f"Wrote {folder / hospital}: {len(source.cohort.subjects)} patients, images/ and {TABLE}")
    first = shlex.quote(str(folder / "hospital-a"))
    say(f"Next: bench cohort init {first} --table {TABLE}")


def check(
    cohort: CohortName,
    data: Data = None,
    ignore: Ignore = None,
    page: Annotated[
        Path | None,
        typer.Option(help="HTML file that shows each patient before and after registration.", dir_okay=False),
    ] = None,
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name every patient, and the checks that found nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a cohort's table, files and voxels: one line for each cause, the worst first.

    The command ends with 1 if one of them is an error.
    """
    from survbench.actions.checks import ignored_codes
    from survbench.datasets.cohorts.validate import validate_named

    report = validate_named(cohort, data=data, ignored=ignored_codes(ignore))
    if as_json:
        say_json(
            {
                "cohort": cohort,
                "findings": [f.to_json() for f in report.findings],
                "ignored": [f.to_json() for f in report.ignored],
                "passed": [c.code for c in report.passed],
                "not_applicable": [c.code for c in report.not_applicable],
                "not_run": [c.code for c in report.not_run],
                "registrations": {name: asdict(facts) for name, facts in report.registrations.items()},
            }
        )
    else:
        _show_report(cohort, report, verbose=verbose)
    if page is not None:
        from survbench.actions.registration_page import write_registration_page

        write_registration_page(report.source, report.registrations, page)
    if report.errors:
        raise typer.Exit(1)


def _show_report(cohort: str, report: Report, *, verbose: bool) -> None:
    from survbench.cli.findings import show_findings
    from survbench.findings import grouped, things

    groups, ignored = grouped(report.findings), grouped(report.ignored)
    show_findings(groups, verbose=verbose)
    for group in ignored:
        say(f"Ignored   {group.first.code}: {group.text}")
    counts = Counter(g.first.severity for g in groups)
    named = [f"{n} {name}{'s' if n > 1 else ''}" for name in SEVERITIES if (n := counts[name])]
    passed = f"{len(report.passed)} checks passed, {len(report.not_applicable)} do not apply"
    say(f"{cohort}: {', '.join(named) or 'no problems'}; {passed}.")
    if report.registrations:
        say(_registered(report))
    if report.errors and report.judged:
        say(f"Columns and outcomes were judged in the {things(report.judged, 'patient')} without an error.")
    if report.not_run:
        say(f"{len(report.not_run)} checks were not run: what they look at could not be read.")
    if verbose:
        for title, checks in (
            ("Not found", report.passed),
            ("Does not apply", report.not_applicable),
            ("Not run", report.not_run),
        ):
            for one in checks:
                say(f"{title:<15} {one.code}  {one.title}")


def _registered(report: Report) -> str:
    """Return in a line how the patients of a cohort register to its template."""
    from statistics import median

    facts = [*report.registrations.values()]
    numbers = {
        "rotation {:.1f} degrees ({:.1f} to {:.1f})": [of.rotation_deg for of in facts],
        "shift {:.0f} mm ({:.0f} to {:.0f})": [of.shift_mm for of in facts],
        "correlation {:.2f} ({:.2f} to {:.2f})": [of.similarity for of in facts],
    }
    told = [text.format(median(values), min(values), max(values)) for text, values in numbers.items()]
    return f"Registered {len(facts)} patients to the template; median and range: {', '.join(told)}."


def features(
    cohort: CohortName,
    data: Data = None,
    profile: Annotated[str, typer.Option(help=f"{PROFILE_HELP} It sets the grid.")] = "quick",
    set_name: Annotated[str | None, typer.Option("--set", help="A feature set (default: the card's).")] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="The table, .parquet or .csv (default: COHORT-SET.parquet).", dir_okay=False),
    ] = None,
    out: Out = DEFAULT_OUT,
    workers: Workers = None,
    ignore: Ignore = None,
    *,
    skip_bad: SkipBad = False,
    as_json: AsJson = False,
) -> None:
    """Extract a cohort's radiomics into a table, with a report of what not to trust beside it.

    What is in the output folder's cache is not extracted again. A patient that fails is named, the others are written,
    and the command ends with 1 (with 0 where --skip-bad accepts that).
    """
    from survbench.actions.checks import ignored_codes
    from survbench.actions.extract import check_table_path, extract_cohort, write_table
    from survbench.cli.progress import watching
    from survbench.plan.profile import load_profile
    from survbench.work.process_limits import available_workers

    if to is not None:
        check_table_path(to)
    out, workers = expanded(out, "--out").absolute(), workers or available_workers()
    with watching(workers, out, to_stderr=as_json) as watcher:
        found = extract_cohort(
            cohort,
            data=data,
            profile=load_profile(profile),
            set_name=set_name,
            out=out,
            workers=workers,
            skip_bad=skip_bad,
            watcher=watcher,
            ignored=ignored_codes(ignore),
        )
    table = to or Path(f"{found.cohort}-{found.feature_set.name}.parquet")
    beside = write_table(found, table)
    if as_json:
        say_json(_as_json(found, table, beside))
    else:
        _show_features(found, table, beside)
    if found.failed and not skip_bad:
        raise typer.Exit(1)


def _cached_ms(found: Extracted) -> float | None:
    """Return the milliseconds per patient of a call that was answered from the cache alone."""
    patients = len(found.extractions)
    return 1000 * found.seconds / patients if found.cached == patients else None


def _as_json(found: Extracted, table: Path, beside: Path) -> dict[str, Any]:
    milliseconds = _cached_ms(found)
    return {
        "cohort": found.cohort,
        "set": found.feature_set.name,
        "bins": str(found.feature_set.bins),
        "patients": len(found.extractions),
        "features": len(found.names),
        "cached": found.cached,
        "ms_per_patient": None if milliseconds is None else round(milliseconds, 2),
        "failed": dict(found.failed),
        "findings": dict(sorted(Counter(f.kind for f in found.findings).items())),
        "table": str(table),
        "report": str(beside),
    }


def _show_features(found: Extracted, table: Path, beside: Path) -> None:
    patients, feature_set = len(found.extractions), found.feature_set
    milliseconds = _cached_ms(found)
    came = (
        f"{found.cached} from the cache" if milliseconds is None else f"all from the cache, {milliseconds:.1f} ms each"
    )
    say(f"Features  {feature_set.name}: {patients} patients x {len(found.names)} features, {feature_set.bins}; {came}")
    for line in _finding_lines(found):
        say(f"Finding   {line}")
    for subject, what in found.failed.items():
        say(f"Failed    {subject}: {what}")
    say(f"Table     {table}")
    say(f"Report    {beside} ({len(found.findings)} findings)")


def _finding_lines(found: Extracted) -> list[str]:
    """Return a line per kind of finding: how many, in how many patients, and where most of them are."""
    from survbench.features.report import KINDS

    lines = []
    for kind, what in KINDS.items():
        of_kind = [f for f in found.findings if f.kind == kind]
        if not of_kind:
            continue
        patients = len({f.subject for f in of_kind if f.subject})
        most = Counter(f.feature or f.subject for f in of_kind).most_common()
        shown = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in most[:SHOWN])
        more = ", ..." if len(most) > SHOWN else ""
        lines.append(f"{len(of_kind)} {what}{f' in {patients} patients' if patients else ''}: {shown}{more}")
    return lines
