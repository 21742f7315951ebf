"""A layout: what ``bench cohort ingest`` has to know of a source, read from YAML."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from survbench.datasets.cards.card import Clinical, Labels, Patients, TimeUnit
from survbench.datasets.ingest.clinical import ID
from survbench.errors import BenchError, UnknownNameError
from survbench.io.config import LONGEST_NAME, OneLine, Strict, parse_model
from survbench.io.paths import expanded
from survbench.io.tables import canonical
from survbench.io.yaml_text import parse_yaml, read_text

SEE = "docs/reference/layouts.md"
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Pattern = Annotated[str, Field(pattern=r"\{id\}.*\.nii(\.gz)?$")]
Patterns = Annotated[tuple[Pattern, ...], Field(min_length=1)]
Code = str | int | float


def _groups(expression: str) -> int:
    """Return the number of groups of a regular expression that will stand within another one."""
    try:
        return re.compile(f"^(?:{expression})$").groups
    except re.error as error:
        raise ValueError(f"{expression!r} is not a regular expression without flags ({error})") from error


class RegionTable(Strict):
    """The table that names each patient's regions: the names of its file, its column of ids, and its columns of names
    separated by commas.
    """

    file: Names
    id: str
    columns: Names


class Dicom(Strict):
    """What is wanted of DICOM files: the tumour's regions, by name or by a table, and how to choose among several;
    each key is as the option of the same name.
    """

    region: tuple[str, ...] = ()
    regions: RegionTable | None = None
    unite: bool = False
    mask_on: Literal["pet", "ct"] = "pet"
    structures: str | None = None

    @model_validator(mode="after")
    def _named_in_one_way(self) -> Dicom:
        if self.region and self.regions is not None:
            raise ValueError("give 'region' or 'regions', not both")
        return self


class Nifti(Strict):
    """A tree of NIfTI files: the ends of their paths, with ``{id}`` for the patient (a regular expression, ``id``) and
    ``*`` for any part of a name. Of several patterns the first that has a file counts. ``labels`` are the
    mask's values by structure, as on the card (none: any above 0 is tumour).
    """

    id: str
    pet: Patterns
    ct: Patterns
    mask: Patterns
    labels: Labels = Field(default_factory=dict)

    @field_validator("id")
    @classmethod
    def _is_an_expression(cls, value: str) -> str:
        if _groups(value) or re.fullmatch(value, ""):
            raise ValueError("must match at least one character, and have no groups; write (?:...) for (...)")
        return value

    @model_validator(mode="after")
    def _ends_alike(self) -> Nifti:
        for patterns in (self.pet, self.ct, self.mask):
            if len({pattern.endswith(".gz") for pattern in patterns}) > 1:
                raise ValueError(f"{', '.join(patterns)}: all must end in .nii, or all in .nii.gz")
        return self


class SourceTable(Strict):
    """A table of the source: the names that its file may have (with ``*`` and ``?``, the first that exists counts), the
    sheets to read of a workbook (none: all), the row of the columns' names, the names that the column of ids may have,
    and a pattern of ids. Other rows, such as notes, are passed over.
    """

    file: Names
    sheets: tuple[str, ...] = ()
    header_row: Annotated[int, Field(ge=1)] = 1
    id: Names
    rows: str = "*"


class Column(Strict):
    """A column of the written table: the names that it may have in the source, or a regular expression whose group is
    taken out of the id; and codes to be replaced, compared without regard to case.
    """

    names: tuple[str, ...] = ()
    of_id: str | None = None
    codes: dict[str, Code] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_one_origin(self) -> Column:
        if bool(self.names) == (self.of_id is not None):
            raise ValueError("give 'names' or 'of_id'")
        if self.of_id is not None and _groups(self.of_id) != 1:
            raise ValueError("of_id needs one group, such as HN-([A-Z]+)-.*")
        return self


class Event(Strict):
    """An event that ends the time of an outcome: columns of whether and when, and the codes. Without ``event`` there
    was one if there is a time.
    """

    event: str | None = None
    time: str
    observed: tuple[Code, ...] = (1,)
    censored: tuple[Code, ...] = (0,)

    @model_validator(mode="after")
    def _codes_differ(self) -> Event:
        both = sorted({canonical(code) for code in self.observed} & {canonical(code) for code in self.censored})
        if both:
            raise ValueError(f"code {', '.join(both)} means both observed and censored (yes and true are 1)")
        return self


class Outcome(Strict):
    """The outcome: the first of several events, or the end of ``follow_up``. All are columns of the layout, in one
    unit. ``start`` is a column with the time at which follow-up begins (none: 0).
    """

    name: Annotated[str, Field(pattern=r"^\w+$")]
    unit: TimeUnit
    first_of: Annotated[tuple[Event, ...], Field(min_length=1)]
    follow_up: str
    start: str | None = None

    @property
    def time(self) -> str:
        """The written column of the time."""
        return f"{self.name}_{self.unit}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        events = [name for event in self.first_of for name in (event.event, event.time) if name is not None]
        return tuple(dict.fromkeys([*events, self.follow_up, *([] if self.start is None else [self.start])]))


class Selection(Strict):
    """A further card of the cohort, of some of its patients; ``clinical`` in place of the layout's."""

    title: OneLine
    patients: Patients
    clinical: tuple[Clinical, ...] = ()


class Layout(Strict):
    """How a source is laid out, and what the card of its cohort says."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=LONGEST_NAME)]
    title: OneLine
    dicom: Dicom | None = None
    nifti: Nifti | None = None
    tables: Annotated[tuple[SourceTable, ...], Field(min_length=1)]
    columns: dict[str, Column]
    outcome: Outcome
    missing: tuple[Code, ...] = ()
    centre: str | None = None
    clinical: tuple[Clinical, ...] = ()
    field_of_view_mm: tuple[float, float, float]
    selections: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], Selection] = Field(default_factory=dict)
    licence: OneLine
    citation: OneLine
    notes: str = ""

    @model_validator(mode="after")
    def _one_kind_of_images(self) -> Layout:
        if (self.dicom is None) == (self.nifti is None):
            raise ValueError("give 'dicom' or 'nifti'")
        return self

    @model_validator(mode="after")
    def _columns_are_declared(self) -> Layout:
        written = {*self.columns, self.outcome.name, self.outcome.time}
        taken = {self.outcome.name, self.outcome.time, ID} & {*self.columns}
        if taken:
            raise ValueError(f"column {min(taken)!r} is written by survbench; give yours another name")
        wanted = [*self.outcome.columns, *(c.column for c in self.clinical), *([self.centre] if self.centre else [])]
        absent = sorted({*wanted} - written)
        if absent:
            raise ValueError(f"columns that are not under 'columns': {', '.join(absent)}")
        return self


def layout_names() -> list[str]:
    """Return the names of the layouts that come with survbench."""
    folder = files("survbench.datasets.layouts")
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_layout(name_or_path: str) -> Layout:
    """Return a layout by name, or from a YAML file.

    Raises:
        UnknownNameError: neither a layout's name nor a file.
        BenchError: the file is not a layout.
    """
    if name_or_path in layout_names():
        text = (files("survbench.datasets.layouts") / f"{name_or_path}.yaml").read_text(encoding="utf-8")
        return _parsed(text, f"{name_or_path}.yaml")
    path = expanded(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        raise UnknownNameError(
            "layout", name_or_path, layout_names(), see="'bench list layouts'; a .yaml file works too"
        )
    if not path.is_file():
        raise BenchError(f"There is no layout {path}. Correct the path, or name one of {', '.join(layout_names())}.")
    return _parsed(read_text(path), str(path))


def _parsed(text: str, source: str) -> Layout:
    return parse_model(Layout, parse_yaml(text, source=source, see=SEE), source=source, see=SEE)
