"""What a run or a comparison gives back to a script or a notebook: a few lines as text, a small table as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from survbench.io.layout import Status

if TYPE_CHECKING:
    import pandas as pd
    from survbench.evaluation.compare import Driver, MethodComparison
    from survbench.findings import Stated
    from survbench.leaderboard.board.rows import Board, Row

HEADS = ("#", "Method", "C-index (95 % CI)", "External C (95 % CI)", "Dice", "p", "Holm p")
"""Columns of the leaderboard that a notebook shows; the frame has all."""


@dataclass(frozen=True, slots=True, repr=False)
class Leaderboard:
    """The leaderboard of a study.

    Attributes:
        content: the cohorts, the protocol, the pairs of methods and whatever else ``leaderboard.json`` holds.
    """

    content: Board

    @property
    def rows(self) -> tuple[Row, ...]:
        """The methods, ranked first."""
        return self.content.rows

    @property
    def findings(self) -> tuple[Stated, ...]:
        """What is wrong with the cohorts, or to be known of them and of the board."""
        return self.content.findings

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each method with the columns and the numbers of ``leaderboard.csv``; a number that does not
        exist is NaN.
        """
        import pandas as pd
        from survbench.leaderboard.writers.board_files import flat_rows

        frame = pd.DataFrame(flat_rows(self.content))
        # pandas keeps a column of nothing but None as objects, of which there is no mean
        return frame.astype({name: float for name in frame if frame[name].isna().all()})

    def __repr__(self) -> str:
        cohort, profile = self.content.cohort.name, self.content.profile.name
        return f"Leaderboard of {cohort}, profile {profile}: {self._summary()}"

    def _repr_html_(self) -> str:
        from survbench.leaderboard.text.columns import cells

        shown = [{**cells(row), "Method": row.method} for row in self.rows]
        body = [[row[head] for head in HEADS] for row in shown]
        notes = [finding.sentence for finding in self.findings]
        notes += [f"{row.method} {row.status}: {row.reason}" for row in self.rows if row.reason]
        return _table(HEADS, body) + _list(notes)

    def _summary(self) -> str:
        """Return how many methods there are, and the first of them."""
        complete = [row for row in self.rows if row.status == Status.OK]
        text = f"{len(complete)} of {len(self.rows)} methods complete"
        first = next((row for row in complete if row.rank is not None), None)
        return f"{text}; highest C-index {first.c_index:.3f} ({first.method})" if first else text


@dataclass(frozen=True, slots=True, repr=False)
class StudyResults:
    """A study as it is stored: its board, and where its files lie.

    Attributes:
        name: ``<cohort>-<profile>-<8 digits>``.
        folder: holds the board's files, the tables, and ``site/``.
        board: the leaderboard.
    """

    name: str
    folder: Path
    board: Leaderboard

    @property
    def findings(self) -> tuple[Stated, ...]:
        """What is wrong with the cohorts, or to be known of them and of the board."""
        return self.board.findings

    def __repr__(self) -> str:
        return f"Study {self.name}: {self._cohort()}\n{self.board!r}\n{self.folder}"

    def _repr_html_(self) -> str:
        head = f"<p><b>{escape(self.name)}</b>: {escape(self._cohort())}</p>"
        return f"{head}{self.board._repr_html_()}<p><code>{escape(str(self.folder))}</code></p>"

    def _cohort(self) -> str:
        cohort, folds = self.board.content.cohort, self.board.content.protocol.folds
        return f"{cohort.title}, {cohort.patients} patients, {cohort.events} events, {len(folds)} folds"


@dataclass(frozen=True, slots=True, repr=False)
class ComparedMethods:
    """Two methods compared on the same patients.

    Attributes:
        result: all that was computed; differences are ``a`` minus ``b``.
    """

    result: MethodComparison

    @property
    def a(self) -> str:
        """The first method, followed by its study where there are two."""
        return self.result.labels[0]

    @property
    def b(self) -> str:
        """The second method, in the same form."""
        return self.result.labels[1]

    @property
    def difference(self) -> float:
        """C-index of ``a`` minus that of ``b``."""
        return self.result.tested.difference

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference, by the paired bootstrap; NaN where there is none."""
        return self.result.tested.ci_low, self.result.tested.ci_high

    @property
    def p(self) -> dict[str, float]:
        """Two-sided p by each test: bootstrap, jackknife, compareC, permutation; NaN where a test has none."""
        return dict(self.result.tested.p)

    @property
    def patients(self) -> tuple[Driver, ...]:
        """The patients who contribute most to the difference."""
        return self.result.patients

    @property
    def meaning(self) -> str:
        """What the comparison shows, in a sentence or two."""
        return self.result.tested.meaning(self.a, self.b)

    def __repr__(self) -> str:
        return f"{self._head()}\n{self.meaning}"

    def _repr_html_(self) -> str:
        tested = self.result.tested
        heads = ("C-index a", "C-index b", "a - b", *(f"p {name}" for name in tested.p))
        numbers = (f"{tested.c_index_a:.3f}", f"{tested.c_index_b:.3f}", f"{self.difference:+.3f}")
        row = [*numbers, *(f"{p:.4f}" for p in tested.p.values())]
        names = f"<p>a: <b>{escape(self.a)}</b>, b: <b>{escape(self.b)}</b></p>"
        return f"{names}{_table(heads, [row])}<p>{escape(self.meaning)}</p>"

    def _head(self) -> str:
        low, high = self.interval
        return f"{self.a} - {self.b}: difference of C-index {self.difference:+.3f} (95 % {low:+.3f} to {high:+.3f})"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
