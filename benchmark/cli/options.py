"""Words, options and small answers that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from survbench.plan.study import Study

DEFAULT_OUT = Path("bench-results")
COHORT_HELP = "A named cohort, a folder with cohort.yaml, or a card file."
METHODS_HELP = "all, NAME,... or @GROUP; -NAME or -@GROUP leaves out. See 'bench list methods'."
PROFILE_HELP = "smoke, quick, standard, lab, paper, or a YAML file."


def _refuse_pack(out: Path) -> Path:
    """Refuse a file as an output folder that a command writes into."""
    from survbench.actions.arguments import path
    from survbench.errors import BenchError

    out = path("--out", out)
    if out.is_file():
        raise BenchError(
            f"{out} is a file, and this command writes into an output folder. To go on from a pack, unpack it with "
            f"'unzip {out} -d FOLDER' and give that folder."
        )
    return out


def _open_pack(out: Path) -> Path:
    """Return the folder that a pack is unpacked to; another folder as it is."""
    from survbench.actions.arguments import path

    out = path("--out", out)
    if not out.is_file():
        return out
    from survbench.io.packs import open_pack

    return open_pack(out.absolute())


Out = Annotated[Path, typer.Option("--out", help="Output folder of 'bench run'.", callback=_refuse_pack)]
OutOrPack = Annotated[
    Path, typer.Option("--out", help="Output folder of 'bench run', or a pack of a study.", callback=_open_pack)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Data = Annotated[Path | None, typer.Option(help="Folder of a named cohort's data.", file_okay=False)]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes at once (default: one per core).")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on without patients that have problems.")]


Ignore = Annotated[
    list[str] | None,
    typer.Option(
        help="Findings to set aside, separated by commas (SB108,SB307); the board lists them.",
        metavar="CODES",
    ),
]
StudyName = Annotated[str | None, typer.Option("--study", help="A study under --out (default: the latest).")]
Pseudonyms = Annotated[
    Path | None,
    typer.Option(
        "--pseudonyms",
        help="Replace patients' ids on the site and in MLflow; FILE holds the key, and is made if it is not there.",
        metavar="FILE",
        envvar="SURVBENCH_PSEUDONYMS",
        dir_okay=False,
    ),
]
TrackingUri = Annotated[str | None, typer.Option(help="MLflow server (default: a file in --out).")]


def examples(*lines: str) -> str:
    """Return an epilog of copy-paste examples, one a line."""
    return "\n\n".join(["[bold]Examples[/bold]", *lines])


def say(text: str = "") -> None:
    """Print a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """Print a value as JSON to standard output."""
    say(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def null(value: Any) -> Any:
    """Return a value for JSON, in which what is not a number is None."""
    from survbench.io.files import finite

    if isinstance(value, dict):
        return {key: null(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [null(each) for each in value]
    return finite(value) if isinstance(value, float) else value


def disk_size(count: int) -> str:
    """Return a number of bytes as people say it.

    >>> disk_size(0), disk_size(999), disk_size(1500), disk_size(999_960), disk_size(2_340_000_000)
    ('0 B', '999 B', '1.5 kB', '1.0 MB', '2.3 GB')
    """
    if count < 1000:
        return f"{count} B"
    value = count / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return rows of cells as lines in which columns stand below each other, to the left but for those of ``right``.

    >>> aligned([("a", "bb"), ("ccc", "d")])
    ['a    bb', 'ccc  d']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def padded(column: int, cell: str) -> str:
        return cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])

    return ["  ".join(padded(column, cell) for column, cell in enumerate(row)).rstrip() for row in rows]


def first_of(names: Iterable[str]) -> str:
    """Return the first three names in words; bytes of paths that are not text are shown as such.

    >>> first_of(["a", "b"]), first_of("abcd")
    ('a, b', 'a, b, c, ...')
    """
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")


def study_line(study: Study) -> str:
    """Return which study an answer is from."""
    return f"Study {study.name} (selection {study.protocol.selection}, tuning {study.protocol.tuning})"
