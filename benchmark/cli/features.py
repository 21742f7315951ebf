"""Verbs on radiomics: ``features list``, ``features describe``, ``features extract``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from survbench.cli.text import DEFAULT_OUT, AsJson, Out, examples, say, say_json

if TYPE_CHECKING:
    from survbench.extraction import Extracted

CHANNELS = ("pet", "ct")
"""What features are counted for where no cohort is given."""
SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    group = typer.Typer(
        help="Radiomics: which sets there are, and a cohort's features as a table.", no_args_is_help=True
    )
    group.command("list", epilog=examples("bench features list", "bench features list --json"))(listing)
    group.command(
        "describe", epilog=examples("bench features describe paper", "bench features describe pyradiomics --json")
    )(describe)
    group.command(
        "extract",
        epilog=examples(
            "bench features extract phantom --profile smoke",
            "bench features extract sts51 --data ~/sts51 --to sts51.csv",
            "bench features extract my-cohort/ --set paper-fixed-width --workers 8",
        ),
    )(extract)
    app.add_typer(group, name="features")


def listing(*, as_json: AsJson = False) -> None:
    """List the feature sets: how many features of PET and CT, and their grey levels."""
    from survbench.features.feature_sets import feature_sets

    rows = [
        {"name": s.name, "features": len(s.names(CHANNELS)), "bins": str(s.bins), "title": s.title}
        for s in feature_sets().values()
    ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say(f"{row['name']:<18} {row['features']:>5} features  {row['bins']:<34} {row['title']}")


def describe(name: Annotated[str, typer.Argument(help="A feature set.")], *, as_json: AsJson = False) -> None:
    """Show a feature set: its names by class, its settings, and why they are as they are."""
    from survbench.features.feature_sets import feature_set

    chosen = feature_set(name)
    if as_json:
        say_json({**chosen.model_dump(mode="json"), "count": len(chosen.names(CHANNELS))})
        return
    say(f"{chosen.name}: {chosen.title}")
    say(f"  {chosen.why}")
    per_image = sum(map(len, chosen.features.values()))
    count = len(chosen.names(CHANNELS))
    say(f"  features    {per_image} of each image, {len(chosen.shape)} of the shape: {count} of PET and CT")
    say(f"  bins        {chosen.bins}")
    say(f"  images      {', '.join(chosen.images)} (wavelet {chosen.wavelet})")
    for group, names in [*chosen.features.items(), ("shape", chosen.shape)]:
        say(f"  {group:<11} {len(names)}: {', '.join(names)}")


def extract(
    cohort: Annotated[str, typer.Argument(help="A named cohort, a folder with cohort.yaml, or a card file.")],
    data: Annotated[Path | None, typer.Option(help="Folder of a named cohort's data.", file_okay=False)] = None,
    profile: Annotated[str, typer.Option(help="smoke, quick, lab, paper, or a YAML file: tells the grid.")] = "quick",
    set_name: Annotated[str | None, typer.Option("--set", help="A feature set (default: the card's).")] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="The table, .parquet or .csv (default: COHORT-SET.parquet).", dir_okay=False),
    ] = None,
    out: Out = DEFAULT_OUT,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at once (default: one per core).")] = None,
    *,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without patients that have problems.")] = False,
    as_json: AsJson = False,
) -> None:
    """Extract a cohort's radiomics into a table, with a report of what not to trust beside it.

    What is in the output folder's cache is not extracted again. A patient that fails is named, the others are written,
    and the verb ends with 1 (with 0 where --skip-bad accepts that).
    """
    from survbench import extraction
    from survbench.cli.progress import watching
    from survbench.profile import load_profile
    from survbench.runner import available_workers

    if to is not None:
        extraction.check_table_path(to)
    out, workers = out.expanduser().absolute(), workers or available_workers()
    with watching(workers, out, to_stderr=as_json) as watcher:
        found = extraction.extract_cohort(
            cohort,
            data=data,
            profile=load_profile(profile),
            set_name=set_name,
            out=out,
            workers=workers,
            skip_bad=skip_bad,
            watcher=watcher,
        )
    table = to or Path(f"{found.cohort}-{found.chosen.name}.parquet")
    beside = extraction.write_table(found, table)
    if as_json:
        say_json(_as_json(found, table, beside))
    else:
        _show(found, table, beside)
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
        "set": found.chosen.name,
        "bins": str(found.chosen.bins),
        "patients": len(found.extractions),
        "features": len(found.names),
        "cached": found.cached,
        "ms_per_patient": None if milliseconds is None else round(milliseconds, 2),
        "failed": dict(found.failed),
        "findings": dict(sorted(Counter(f.kind for f in found.findings).items())),
        "table": str(table),
        "report": str(beside),
    }


def _show(found: Extracted, table: Path, beside: Path) -> None:
    patients, chosen = len(found.extractions), found.chosen
    milliseconds = _cached_ms(found)
    came = (
        f"{found.cached} from the cache" if milliseconds is None else f"all from the cache, {milliseconds:.1f} ms each"
    )
    say(f"Features  {chosen.name}: {patients} patients x {len(found.names)} features, {chosen.bins}; {came}")
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
