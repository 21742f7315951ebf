"""``bench study``: boards from stored runs, packs, ensembles, risks of outside models, and checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from survbench.actions.find_study import find_study
from survbench.cli.options import (
    COHORT_HELP,
    DEFAULT_OUT,
    METHODS_HELP,
    PROFILE_HELP,
    AsJson,
    Data,
    Ignore,
    Out,
    OutOrPack,
    Pseudonyms,
    SkipBad,
    StudyName,
    Workers,
    disk_size,
    examples,
    say,
    say_json,
)
from survbench.io.paths import expanded

if TYPE_CHECKING:
    from survbench.leaderboard.board.rows import Board
    from survbench.plan.study import Study


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Rebuild leaderboards, pack and verify studies, average rows, import and export risks, check for leaks.",
        no_args_is_help=True,
    )
    group.command(
        "board",
        epilog=examples(
            "bench study board",
            "bench study board phantom-quick-1a2b3c4d --out results",
            "bench study board --published --figures",
            "bench study board --out study.zip",
        ),
    )(board)
    group.command(
        "pack",
        epilog=examples(
            "bench study pack",
            "bench study pack phantom-quick-1a2b3c4d --to study.zip",
            "bench study pack --weights --pseudonyms ~/keys/our-npc.key",
        ),
    )(pack)
    group.command(
        "import",
        epilog=examples(
            "bench study import cox-in-r.csv --name cox-in-r",
            "bench study import risks.csv --name nomogram --title Nomogram",
        ),
    )(import_risks)
    group.command(
        "ensemble",
        epilog=examples(
            "bench study ensemble radiomics-lasso-cox radiomics-rsf deepmts",
            "bench study ensemble clinical-cox tlg --name clinical-tlg",
        ),
    )(ensemble)
    group.command(
        "export",
        epilog=examples("bench study export radiomics-lasso-cox --to predictions.csv"),
    )(export)
    group.command(
        "null-check",
        epilog=examples(
            "bench study null-check --methods clinical-cox,radiomics-lasso-cox",
            "bench study null-check --methods deepmts --permutations 40",
        ),
    )(null_check)
    group.command(
        "verify",
        epilog=examples(
            "bench study verify",
            "bench study verify phantom-quick-1a2b3c4d --out results",
            "bench study verify results/studies/phantom-quick-1a2b3c4d/leaderboard.json --json",
            "bench study verify study.zip",
        ),
    )(verify)
    app.add_typer(group, name="study")


def board(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STUDY]...", help="Studies under --out (default: all).", show_default=False),
    ] = None,
    out: OutOrPack = DEFAULT_OUT,
    pseudonyms: Pseudonyms = None,
    *,
    published: Annotated[bool, typer.Option("--published", help="Put published values into leaderboard.tex.")] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Draw figures for a paper, too (PDF, PNG).")] = False,
) -> None:
    """Rebuild a study's leaderboard, tables and site from its runs.

    Written are the leaderboard and the paper's tables (Markdown, CSV, JSON, LaTeX; the leaderboard also HTML), the
    tables of kept features, and the site.
    """
    from survbench.actions.build import build_and_write
    from survbench.plan.study import find_studies, latest_study
    from survbench.runs.store import Store

    out = expanded(out, "--out").absolute()
    # latest_study says what to do where there is none that can be read
    studies = [find_study(out, name) for name in dict.fromkeys(names or ())] or find_studies(out) or [latest_study(out)]
    store = Store(out)
    for study in studies:
        with store.lock():
            build_and_write(study, store, published=published, figures=figures, pseudonyms=pseudonyms)
        say(f"{study.folder(out) / 'leaderboard.html'} (also .md, .csv, .tex, .json), site/index.html")


def pack(
    study: Annotated[
        str | None,
        typer.Argument(metavar="[STUDY]", help="A study under --out (default: the latest).", show_default=False),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", help="The archive (default: STUDY.zip in this folder).", metavar="FILE")
    ] = None,
    out: Out = DEFAULT_OUT,
    pseudonyms: Annotated[
        Path | None,
        typer.Option(
            "--pseudonyms",
            help="Put pseudonyms in place of patients' ids in every file; FILE holds the key, and is made if it is not "
            "there.",
            metavar="FILE",
            envvar="SURVBENCH_PSEUDONYMS",
            dir_okay=False,
        ),
    ] = None,
    *,
    weights: Annotated[bool, typer.Option("--weights", help="Pack the models, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pack a study into one archive that a reviewer can open.

    Inside are predictions, curves, selected features, splits, the board with its tables and site, a card for each
    method and cohort, versions, licence and citation, and a README that says what to type. Every command that reads an
    output folder opens it: --out study.zip.

    Left out are images, logs, messages of errors and, without --weights, models. Methods that segment show slices of
    the images of a few patients as examples, which are inside.
    """
    from survbench.actions.pack import pack_study
    from survbench.runs.store import Store

    out = expanded(out, "--out").absolute()
    chosen = find_study(out, study)
    target = expanded(to or Path(f"{chosen.name}.zip"), "--to").absolute()
    packed = pack_study(chosen, Store(out), target, weights=weights, pseudonyms=pseudonyms)
    if as_json:
        manifest = packed.manifest.model_dump(mode="json", exclude={"files"})
        say_json({"path": str(target), "bytes": packed.bytes, "sha256": packed.sha256, "manifest": manifest})
        return
    say(f"{target}: {chosen.name}, {len(packed.manifest.files)} files, {disk_size(packed.bytes)}")
    say(f"SHA-256 {packed.sha256}")
    say(f"Patients have {'pseudonyms' if packed.manifest.pseudonyms else 'their ids'}. Not inside:")
    for what in packed.manifest.left_out:
        say(f"  {what}")


def verify(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY|FILE|FOLDER]",
            help="A study under --out, or the path of a pack, a study or an output folder (default: all studies).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Output folder of 'bench run', or a pack.")] = DEFAULT_OUT,
    *,
    as_json: AsJson = False,
) -> None:
    """Check that what is stored is as it was written, and score the board again.

    Predictions, models, records, splits, prepared cohorts and all files of the board are compared with their checksums.
    The numbers of the board are computed again from the stored predictions and have to be the same to the last digit.
    Nothing is changed.

    A pack is compared with its manifest before it is opened. Models that were left out of it do not count.

    Exit codes: 0 nothing differs, 1 something does.
    """
    from survbench.actions.verify import verify as verified

    found = verified(expanded(out, "--out").absolute(), what)
    if as_json:
        differences = [{"path": str(one.path), "what": one.what} for one in found.differences]
        pack = None if found.manifest is None else found.manifest.model_dump(mode="json", exclude={"files"})
        studies = list(map(str, found.studies))
        say_json({"studies": studies, "runs": found.runs, "pack": pack, "differences": differences})
    else:
        for one in found.differences:
            say(f"{one.path} {one.what}")
        say(found.summary)
    if found.differences:
        raise typer.Exit(1)


def import_risks(
    table: Annotated[
        Path, typer.Argument(metavar="CSV", help="id, risk (higher = earlier event), optional fold, cohort.")
    ],
    name: Annotated[str, typer.Option(help="Of the row, lower case with hyphens.")],
    title: Annotated[str, typer.Option(help="On the board (default: the name).")] = "",
    out: Out = DEFAULT_OUT,
    study: StudyName = None,
    pseudonyms: Pseudonyms = None,
) -> None:
    """Put an outside model's risks on a study's board, tested like the rest.

    The risk of a patient must come from a model that was fitted on the other folds of the study (its splits.json); the
    external cohort may be left out. The same file again changes nothing, another one under the same name replaces it.
    """
    from survbench.actions.build import build_and_write
    from survbench.actions.import_risks import import_risks as put
    from survbench.runs.store import Store

    out = expanded(out, "--out").absolute()
    store, chosen = Store(out), find_study(out, study)
    with store.lock():
        chosen = put(chosen, store, table, name=name, title=title)
        built = build_and_write(chosen, store, pseudonyms=pseudonyms)
    _say_row(name, built, chosen, out)


def ensemble(
    members: Annotated[list[str], typer.Argument(metavar="ROW...", help="At least two rows of the study's board.")],
    name: Annotated[str, typer.Option(help="Of the row, lower case with hyphens.")] = "ensemble",
    title: Annotated[str, typer.Option(help="On the board (default: how many rows it averages).")] = "",
    out: Out = DEFAULT_OUT,
    study: StudyName = None,
    pseudonyms: Pseudonyms = None,
) -> None:
    """Put the mean of rows' standardised risks on their board; nothing is fitted.

    The risks of each fold's model are standardised by the mean and standard deviation of its out-of-fold risks, those
    of the external cohort too (also with --selection paper). The row stays for as long as its members do; the same name
    again replaces it.
    """
    from survbench.actions.build import build_and_write
    from survbench.actions.ensemble import add_ensemble
    from survbench.runs.store import Store

    out = expanded(out, "--out").absolute()
    store, chosen = Store(out), find_study(out, study)
    with store.lock():
        chosen = add_ensemble(chosen, store, members, name=name, title=title)
        built = build_and_write(chosen, store, pseudonyms=pseudonyms)
    _say_row(name, built, chosen, out)


def export(
    name: Annotated[str, typer.Argument(metavar="ROW", help="A row of the study's board.")],
    to: Annotated[Path, typer.Option("--to", help="The CSV file, PatientID and Prediction.", dir_okay=False)],
    out: OutOrPack = DEFAULT_OUT,
    study: StudyName = None,
) -> None:
    """Write a row's risks in the format of the HECKTOR challenge, and show its score beside the board's.

    The risks are those of the external cohort, or out-of-fold if there is none.
    """
    from survbench.actions.export_risks import export_risks
    from survbench.runs.store import Store

    out = expanded(out, "--out").absolute()
    done = export_risks(find_study(out, study), Store(out), name, to)
    where = "the external cohort" if done.external else "the cohort, out of fold"
    say(f"Wrote {to}: {done.patients} patients of {where}.")
    say(f"C over all patients, as the challenge scores: {done.score:.4f}; on the board: {done.board:.4f}.")
    if not done.external:
        say("The challenge's score compares patients of different folds, whose risks come from different models.")


def _say_row(name: str, built: Board, study: Study, out: Path) -> None:
    """Say how a row that was added ranks, and what is to be known of it."""
    row = next(row for row in built.rows if row.method == name)
    reached = f"C {row.c_index:.3f}, rank {row.rank}" if row.c_index is not None else f"{row.status}, {row.reason}"
    say(f"{name} is on the board of {study.name}: {reached}.")
    for found in built.findings:
        if found.text.startswith(f"{name}: "):
            say(f"{found.code} {found.severity}: {found.text}")
    say(f"Leaderboard: {study.folder(out) / 'leaderboard.html'} (also .md, .csv, .json)")


def null_check(
    methods: Annotated[str, typer.Option(help=METHODS_HELP)],
    permutations: Annotated[int, typer.Option(min=20, help="Number of permutations of the outcomes.")] = 20,
    profile: Annotated[str, typer.Option(help=PROFILE_HELP)] = "smoke",
    cohort: Annotated[str, typer.Option(help=COHORT_HELP)] = "phantom",
    data: Data = None,
    out: Out = DEFAULT_OUT,
    workers: Workers = None,
    ignore: Ignore = None,
    *,
    skip_bad: SkipBad = False,
    as_json: AsJson = False,
) -> None:
    """Permute outcomes over patients and see that every method falls to chance.

    A mean C-index further than 4 standard errors from 0.5 means that something leaks; the command then ends with 1.
    """
    from survbench.actions.checks import ignored_codes
    from survbench.actions.null_check import null_check as permuted
    from survbench.actions.request import Request
    from survbench.plan.profile import load_profile
    from survbench.work.process_limits import available_workers

    request = Request(
        methods=methods,
        cohort=cohort,
        data=data,
        profile=load_profile(profile),
        workers=workers or available_workers(),
        out=expanded(out, "--out").absolute(),
        skip_bad=skip_bad,
        ignored=ignored_codes(ignore),
    )
    results = permuted(request, permutations=permutations)
    if as_json:
        say_json([{"method": r.method, "mean": r.mean, "se": r.se, "z": r.z, "passed": r.passed} for r in results])
    else:
        for r in results:
            verdict = "as chance" if r.passed else "LEAKS"
            say(f"{r.method:<24} C {r.mean:.3f} +- {r.se:.3f} ({r.permutations} permutations), z {r.z:+.1f}: {verdict}")
    if not all(r.passed for r in results):
        raise typer.Exit(1)
