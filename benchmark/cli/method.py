"""``bench method``: write a method, test it, and see what its fits made of a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from survbench.actions.find_study import find_study
from survbench.cli.options import (
    COHORT_HELP,
    DEFAULT_OUT,
    AsJson,
    Data,
    OutOrPack,
    StudyName,
    examples,
    say,
    say_json,
    study_line,
)
from survbench.io.paths import expanded

if TYPE_CHECKING:
    from survbench.plan.study import Study


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Write a method of your own, test it, and see what its fits produced.", no_args_is_help=True
    )
    group.command("new", epilog=examples("bench method new my-method", "bench method new my-method --no-install"))(new)
    group.command("test", epilog=examples("bench method test my-method", "bench method test deepmts --full"))(check)
    group.command(
        "show",
        epilog=examples(
            "bench method show radiomics-lasso-cox",
            "bench method show radiomics-rsf --json",
            "bench method show deepmts --masks masks/",
            "bench method show unet --masks masks/ --cohort sts51 --data ~/sts51",
        ),
    )(show)
    app.add_typer(group, name="method")


def new(
    name: Annotated[str, typer.Argument(help="Name of the method, in kebab case.")],
    folder: Annotated[Path, typer.Option("--in", help="Where the plugin's folder is made.", file_okay=False)] = Path(),
    *,
    install: Annotated[bool, typer.Option(help="Install it into this environment, editable.")] = True,
) -> None:
    """Write a plugin: a package with one method that works, to be changed into yours."""
    from survbench.api import LONGEST_NAME, METHOD_NAME
    from survbench.errors import BenchError
    from survbench.plan.registry import registry

    if not METHOD_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise BenchError(
            f"{name[:LONGEST_NAME]!r} cannot be a method's name. Use kebab case (a-z, 0-9 and single hyphens), at "
            f"most {LONGEST_NAME} characters, and not 'all'."
        )
    if name in registry().methods:
        raise BenchError(f"There is already a method {name!r}. Choose another name; see 'bench list methods'.")
    target = folder / name
    if target.exists():
        raise BenchError(f"{target} exists. Choose another name, or remove it.")
    module = name.replace("-", "_")
    _write_plugin(target, {"{{name}}": name, "{{module}}": module, "{{class}}": name.title().replace("-", "")})
    say(f"Wrote {target / f'{module}.py'}; change it into your method.")
    if not install:
        say(f"Install it with: pip install -e {target}. Then: bench method test {name}")
        return
    _install(target)
    say(f"Installed. Next: 'bench method test {name}', then 'bench run --methods {name},radiomics-lasso-cox'.")


def _write_plugin(target: Path, words: dict[str, str]) -> None:
    from importlib.resources import files

    target.mkdir(parents=True)
    for template, path in (("plugin.py.txt", f"{words['{{module}}']}.py"), ("plugin.toml.txt", "pyproject.toml")):
        text = (files("survbench.cli") / "templates" / template).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        (target / path).write_text(text, encoding="utf-8")


def _install(target: Path) -> None:
    import subprocess
    import sys

    from survbench.errors import BenchError

    options = ["--quiet", "--no-deps", "--no-build-isolation", "-e", str(target)]
    command = [sys.executable, "-m", "pip", "install", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        tail = ended.stderr.strip().splitlines()[-1:] or ["pip failed"]
        raise BenchError(f"It could not be installed ({tail[0]}). Run: pip install -e {target}")


def check(
    name: Annotated[str, typer.Argument(metavar="METHOD", help="A method.")],
    *,
    full: Annotated[bool, typer.Option("--full", help="Train longer, check the sign, and run the harness.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a method keeps what every method promises."""
    from survbench.plan.registry import registry
    from survbench.testing import check_method

    checks = check_method(registry().get(name), full=full)
    failed = [c for c in checks if c.outcome == "failed"]
    if as_json:
        say_json([{"name": c.name, "outcome": c.outcome, "detail": c.detail} for c in checks])
    else:
        for one in checks:
            say(f"{one.outcome:<8} {one.name}" + (f": {one.detail}" if one.detail else ""))
        say(f"{name}: {len(failed)} of {len(checks)} checks failed." if failed else f"{name}: all checks passed.")
    if failed:
        raise typer.Exit(1)


def show(
    method: Annotated[str, typer.Argument(help="A method that selects features or, with --masks, segments.")],
    masks: Annotated[
        Path | None, typer.Option("--masks", help="Write its predicted masks into this folder.", file_okay=False)
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(help=f"With --masks: the study's cohort (the default) or its external one. {COHORT_HELP}"),
    ] = None,
    data: Data = None,
    out: OutOrPack = DEFAULT_OUT,
    study: StudyName = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show which features the fits of a method kept, with what weight, and how stable that is across folds.

    With --masks its predicted tumour masks are written instead, as NIfTI files on the grid of each patient's images.
    """
    from survbench.errors import BenchError

    out = expanded(out, "--out").absolute()
    if masks is not None:
        _write_masks(find_study(out, study), out, method, masks, cohort, data, as_json=as_json)
        return
    if cohort is not None or data is not None:
        raise BenchError("--cohort and --data say whose masks to write. Add --masks FOLDER, or leave them out.")
    _show_kept(find_study(out, study), out, method, as_json=as_json)


def _show_kept(study: Study, out: Path, method: str, *, as_json: bool) -> None:
    from survbench.errors import BenchError
    from survbench.evaluation.feature_selection import NoSelectionError, selection
    from survbench.leaderboard.writers import selection_files
    from survbench.runs.store import Store

    try:
        chosen = selection(study, Store(out), method)
    except NoSelectionError as error:
        if not any(entry.name == method and "segmentation" in entry.gives for entry in study.entries):
            raise
        raise BenchError(
            f"{error} It segments: 'bench method show {method} --masks FOLDER' writes its masks."
        ) from error
    if as_json:
        say_json(selection_files.to_json(chosen))
        return
    from rich.console import Console

    say(study_line(study))
    Console().print(selection_files.render(chosen))


def _write_masks(
    study: Study, out: Path, method: str, target: Path, cohort: str | None, data: Path | None, *, as_json: bool
) -> None:
    from survbench.actions.masks import export_masks
    from survbench.datasets.cohorts.named import load_source
    from survbench.errors import BenchError, UnknownNameError
    from survbench.runs.store import Store

    described = [study.cohort, *([study.external] if study.external else [])]
    try:
        source = load_source(
            cohort or study.cohort.name,
            profile=study.profile,
            data=data,
            in_folds=False,
            skip_bad=any(each.left_out for each in described),
            ignored={finding.code for finding in study.findings if finding.ignored},
        )
    except UnknownNameError as error:
        if cohort is not None:
            raise
        raise BenchError(
            f"The study's cohort {study.cohort.name!r} does not come with survbench. Give its folder or card with "
            "--cohort."
        ) from error
    files = export_masks(study, Store(out), method, source, target)
    if as_json:
        say_json({"study": study.name, "masks": [str(path) for path in files]})
    else:
        say(f"Wrote {len(files)} masks to {target}.")
