"""The site of a study: a folder of pages that opens from disk, as a pure function of the runs and of the files in the
study's folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from survbench.evaluation import all_pairs
from survbench.evaluation.curves import Curve, curves
from survbench.evaluation.feature_selection import FeatureSelection
from survbench.evaluation.gather import Gathered, Results
from survbench.evaluation.pseudonyms import Pseudonyms
from survbench.evaluation.redaction import without_paths
from survbench.evaluation.sample import Measured
from survbench.io.csv_text import csv_text
from survbench.io.study_files import SITE, TABLES
from survbench.leaderboard.board.published import SOURCE
from survbench.leaderboard.board.rows import Board, Row
from survbench.leaderboard.site import charts, paper_figures, slices, tuning_page
from survbench.leaderboard.site.assets import static, template
from survbench.leaderboard.site.board_page import html, kept_view
from survbench.leaderboard.site.forest import forest
from survbench.leaderboard.site.method_page import method_page
from survbench.leaderboard.site.pages import Site, method_file, method_folder
from survbench.leaderboard.text.cells import facts
from survbench.plan.study import STUDY, Study
from survbench.runs.store import Store
from survbench.work.example_slices import Example, read_examples

PAGES = (
    ("index.html", "Leaderboard"),
    ("compare.html", "Compare"),
    ("figures.html", "Convergence"),
    ("gallery.html", "Segmentation"),
    ("protocol.html", "Protocol and downloads"),
)
DOWNLOADS = frozenset({".csv", ".html", ".json", ".md", ".svg", ".tex"})
"""Suffixes of the files in the study's folder that are copied to the site, except ``study.json``."""
NAMED = "pseudonyms.sha256"
"""File of a site with pseudonyms; it has the hash of their key."""
MATRIX = (f"{TABLES}/pairs.md", f"{TABLES}/pairs.csv")
"""The matrix of all pairs, if it is among the downloads."""
MOST_EXAMPLES = 4
"""Largest number of slices shown for a method."""


def write_site(
    study: Study,
    store: Store,
    board: Board,
    measured: Measured,
    selections: Sequence[FeatureSelection] = (),
    pseudonyms: Pseudonyms | None = None,
) -> Path:
    """Write ``site/`` into the study's folder atomically, and return its path.

    Args:
        study: the study.
        store: its runs.
        board: its board.
        measured: its runs, read and resampled.
        selections: the features that methods kept.
        pseudonyms: names in place of ids, on pages and in downloads; None for ids.
    """
    folder = study.folder(store.root)
    downloads = sorted(_downloads(folder))
    searches = tuning_page.searches(study, store)
    texts = _Pages(study, store, board, measured, selections, searches, pseudonyms).texts(downloads)
    part, target = folder / f"{SITE}.part", folder / SITE
    shutil.rmtree(part, ignore_errors=True)
    for name, text in texts.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes((pseudonyms.text(text) if pseudonyms else text).encode())
    for name in downloads:
        (part / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        if pseudonyms is None:
            shutil.copyfile(folder / name, part / "data" / name)
        else:
            (part / "data" / name).write_bytes(pseudonyms.content(folder / name))
    if pseudonyms is not None:
        (part / NAMED).write_text(pseudonyms.fingerprint + "\n", encoding="ascii")
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)
    return target


def _downloads(folder: Path) -> list[str]:
    """Return the files to copy to the site, relative to the study's folder."""
    found = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.suffix in DOWNLOADS]
    return [p.as_posix() for p in found if not p.parts[0].startswith(SITE) and p.name != STUDY]


@dataclass(frozen=True, slots=True)
class _Pages:
    """The data from which all pages are made."""

    study: Study
    store: Store
    board: Board
    measured: Measured
    selections: Sequence[FeatureSelection]
    searches: Sequence[tuning_page.Search]
    pseudonyms: Pseudonyms | None

    @property
    def pages(self) -> tuple[tuple[str, str], ...]:
        """The pages in the navigation; the tuning report only if there is one."""
        return (*PAGES, tuning_page.PAGE) if self.searches else PAGES

    def texts(self, downloads: Sequence[str]) -> dict[str, str]:
        """Return all generated files by their path in the site."""
        results = self.measured.results
        known = {name: curves(method.runs) for name, method in results.methods.items()}
        compared = all_pairs.compare_all(self.measured, self.board.pairs)
        made = {
            "site.css": static("board.css", "chart.css", "site.css"),
            "site.js": static("board.js", "site.js"),
            "index.html": html(self.board, self.selections, Site(current="index.html", pages=self.pages)),
            "compare.html": self._compare(compared, [name for name in downloads if name in MATRIX]),
            "gallery.html": self._gallery(results),
            **self._methods(results, known, frozenset(method["name"] for method in compared.methods)),
            **self._figures(results, known),
            **self._tuning(),
        }
        whole = forest(self.board)
        if whole is not None:
            made["figures/board.svg"] = str(charts.svg(whole, alone=True))
            made["figures/board.csv"] = csv_text(charts.COLUMNS, charts.rows(whole))
        if compared.pairs:
            made["compare.csv"] = csv_text(all_pairs.COLUMNS, all_pairs.rows(compared))
        of_pages = ("methods/", "tuning/")
        own = [name for name in made if name.endswith((".csv", ".svg")) and not name.startswith(of_pages)]
        return {**made, "protocol.html": self._protocol([*(f"data/{name}" for name in downloads), *sorted(own)])}

    def _page(self, here: str, *, root: str = "", of: str = "", **content: Any) -> str:
        """Return a page; ``of`` names the template if it differs from the page."""
        site = Site(current=here, pages=self.pages, root=root)
        text: str = template(f"{of or here}.j2").render(site=site, study=self.study, **content)
        return text

    def _methods(
        self, results: Results, known: Mapping[str, Sequence[Curve]], compared: frozenset[str]
    ) -> dict[str, str]:
        """Return the pages of methods and their files; ``compared`` are the methods on the comparison page."""
        against = self.study.protocol.reference
        kept = {s.method: kept_view(s) for s in self.selections}
        made = {}
        for row in self.board.rows:
            result = results.methods.get(row.method)
            if result is None:
                continue
            page = method_page(self.study, self.store, row, result, self.measured.results.outcomes, known[row.method])
            made[f"methods/{method_file(row.method)}"] = self._page(
                f"methods/{method_file(row.method)}",
                root="../",
                of="method.html",
                page=page,
                folder=method_folder(row.method),
                selection=kept.get(row.method),
                pair=_pair_fragment(row.method, against)
                if row.method != against and {row.method, against} <= compared
                else "",
                against=_titles(results).get(against, ""),
                examples=_examples(result, self.pseudonyms),
                svg=charts.svg,
            )
            for name, chart in page.charts().items():
                stem = f"methods/{method_folder(row.method)}/{name}"
                made[f"{stem}.svg"] = str(charts.svg(chart, alone=True))
                made[f"{stem}.csv"] = csv_text(charts.COLUMNS, charts.rows(chart))
        return made

    def _figures(self, results: Results, known: Mapping[str, Sequence[Curve]]) -> dict[str, str]:
        """Return the page of the paper's figures, and its files."""
        titles, training = _titles(results), self.study.profile.training
        drawn = {f: paper_figures.draw(f, known, titles) for f in paper_figures.FIGURES}
        onsets = {f: paper_figures.onsets(f, known, titles) for f in paper_figures.FIGURES}
        here = "figures.html"
        made = {
            here: self._page(here, figures=drawn, onsets=onsets, svg=charts.svg, source=SOURCE, words=training.words)
        }
        for panel in (panel for panels in drawn.values() for panel in panels):
            if panel.chart is not None:
                made[f"figures/{panel.panel.name}.svg"] = str(charts.svg(panel.chart, alone=True))
                made[f"figures/{panel.panel.name}.csv"] = panel.csv
        for figure, found in onsets.items():
            if found:
                rows = paper_figures.onset_rows(found, training.steps)
                made[f"figures/figure-{figure.number}-onset.csv"] = csv_text(paper_figures.ONSET_COLUMNS, rows)
        return made

    def _tuning(self) -> dict[str, str]:
        """Return the page of the searches, and its files; empty if nothing was tuned."""
        if not self.searches:
            return {}
        views = [(s, tuning_page.charts(s), tuning_page.importance(s)) for s in self.searches]
        here = tuning_page.PAGE[0]
        made = {
            here: self._page(
                here, views=views, svg=charts.svg, in_words=tuning_page.in_words, without_paths=without_paths
            )
        }
        for search, drawn, shares in views:
            made[f"tuning/{search.stem}.csv"] = csv_text(search.columns, search.rows())
            made.update({f"tuning/{name}.svg": str(charts.svg(chart, alone=True)) for name, chart in drawn.items()})
            if shares:
                name = f"tuning/{search.stem}-importance.csv"
                made[name] = csv_text(tuning_page.IMPORTANCE_COLUMNS, shares)
        return made

    def _compare(self, compared: all_pairs.Compared, matrix: Sequence[str]) -> str:
        ranked = [row.method for row in self.board.rows if row.rank is not None]
        names = [method["name"] for method in compared.methods]
        against = self.study.protocol.reference
        second = against if against in names else next(iter(names[1:]), "")
        first = next((name for name in (*ranked, *names) if name in names and name != second), "")
        return self._page(
            "compare.html",
            compared=compared,
            numbers=all_pairs.to_json(compared),
            first={"a": first, "b": second},
            matrix=matrix,
        )

    def _gallery(self, results: Results) -> str:
        views = [
            {"title": row.title, "page": method_file(row.method), "examples": found}
            for row in self.board.rows
            if row.method in results.methods and (found := _examples(results.methods[row.method], self.pseudonyms))
        ]
        return self._page("gallery.html", gallery=views, most=MOST_EXAMPLES)

    def _protocol(self, files: Sequence[str]) -> str:
        families: dict[str, list[Row]] = {}
        for row in self.board.rows:
            families.setdefault(row.family, []).append(row)
        protocol = self.study.protocol
        return self._page(
            "protocol.html",
            facts=facts(self.board),
            sizes=[len(fold) for fold in protocol.folds],
            rest={k: v for k, v in sorted(protocol.to_json().items()) if k not in {"folds", "fingerprint"}},
            families=sorted(families.items()),
            page_of=method_file,
            files=files,
        )


def _pair_fragment(a: str, b: str) -> str:
    """Return the URL fragment that makes the comparison page show two methods.

    >>> _pair_fragment("mt-hs", "a b")
    'a=mt-hs&b=a+b'
    """
    return urlencode({"a": a, "b": b})


def _titles(results: Results) -> dict[str, str]:
    return {name: method.entry.title for name, method in results.methods.items()}


def _examples(method: Gathered, pseudonyms: Pseudonyms | None) -> list[dict[str, Any]]:
    """Return the first slices of a method, from as many folds as possible."""
    of_fits = [read_examples(run.folder) for run in method.runs]
    found: dict[str, Example] = {}
    for turn in range(max((len(kept) for kept in of_fits), default=0)):
        for kept in of_fits:
            if turn < len(kept):
                found.setdefault(kept[turn].id, kept[turn])
    shown = list(found.values())[:MOST_EXAMPLES]
    if pseudonyms is not None:
        shown = [replace(e, id=pseudonyms.name(e.id)) for e in shown]
    return [{"id": e.id, "svg": slices.svg(e)} for e in shown]
