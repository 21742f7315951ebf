"""The cohort card: everything that survbench must know about a cohort and cannot guess."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, model_validator
from survbench.cohort import ClinicalColumn
from survbench.datasets.cards.file_pattern import PLACE
from survbench.errors import BenchError
from survbench.io.config import LONGEST_NAME, OneLine, Strict, parse_model
from survbench.io.yaml_text import parse_yaml, read_text

TimeUnit = Literal["days", "weeks", "months", "years"]
MAX_SIDE_MM = 3000.0
MAX_LABEL = 65535
"""Largest voxel value of a structure: masks are stored as whole numbers of 16 bits at most."""
NAME = r"^[a-z][a-z0-9_]*$"
"""What a channel or a structure may be called: features have it in their names."""
UNION = "union"
"""Value of ``mask.use``: all structures together."""
ONLY_STRUCTURE = "tumour"
"""Name of the structure whose voxel value an earlier card calls ``mask.label``."""
_TAKEN = frozenset({"mask", "shape", UNION})
"""Names that a structure cannot have: features of the mask begin with ``shape`` or the name of a channel."""
_SEE = "docs/reference/cohort-card.md"
TODO = "TODO"
"""Placeholder in a drafted card for a value that the user has to fill in."""
NIFTI = (".nii", ".nii.gz")
ROW_NUMBER = "row-number"
"""Value of ``id`` for a table without an id column."""
StageGroup = Literal["I", "II", "IIA", "IIB", "III", "IV", "IVA", "IVB", "IVC"]
MONTHS_PER_UNIT: dict[TimeUnit, float] = {"days": 12 / 365.25, "weeks": 84 / 365.25, "months": 1.0, "years": 12.0}


class Endpoint(Strict):
    """The outcome: its name, its columns in the table, and how they are coded."""

    name: str
    time: str
    event: str
    unit: TimeUnit
    observed: tuple[str | int | float | bool, ...] = (1,)
    censored: tuple[str | int | float | bool, ...] = (0,)


class Channel(Strict):
    """An image channel: its modality and the path of each patient's file (``{id}`` stands for the subject's id,
    ``{id:03d}`` for a number with leading zeros).
    """

    modality: Literal["PET", "CT", "MR"]
    file: Annotated[str, Field(pattern=PLACE)]


def _apart(labels: dict[str, int]) -> dict[str, int]:
    names: dict[int, str] = {}
    for name, label in labels.items():
        if label in names:
            raise ValueError(f"mask.labels: {names[label]!r} and {name!r} both have label {label}; give each its own")
        if name in _TAKEN:
            raise ValueError(f"mask.labels: {name!r} cannot name a structure; it already has a meaning. Rename it")
        names[label] = name
    return labels


Labels = Annotated[
    dict[Annotated[str, Field(pattern=NAME)], Annotated[int, Field(ge=1, le=MAX_LABEL)]], AfterValidator(_apart)
]
"""Voxel values of a mask by name of the structure."""


class Mask(Strict):
    """The manual tumour mask.

    ``labels`` are the structures that were drawn, each with the voxel value that means it; without any, every value
    above 0 is tumour. ``use`` is what methods see as the tumour mask: the union of the structures, or one of them.
    A card of earlier versions says ``label: 1`` in place of ``labels: {tumour: 1}``.
    """

    file: Annotated[str, Field(pattern=PLACE)]
    labels: Labels = Field(default_factory=dict)
    use: str = UNION

    @model_validator(mode="before")
    @classmethod
    def _label_is_one_structure(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or "label" not in raw:
            return raw
        rest = {key: value for key, value in raw.items() if key != "label"}
        if raw["label"] is None:
            return rest
        if "labels" in raw:
            raise ValueError("mask has both 'label' and 'labels'; name each structure under 'labels' alone")
        return rest | {"labels": {ONLY_STRUCTURE: raw["label"]}}

    @model_validator(mode="after")
    def _used_structure_is_declared(self) -> Mask:
        if self.use != UNION and self.use not in self.labels:
            allowed = ", ".join([UNION, *self.labels])
            raise ValueError(f"mask.use is {self.use!r}; allowed: {allowed} ({UNION} and the names under mask.labels)")
        return self

    @property
    def used(self) -> tuple[int, ...] | None:
        """The voxel values that are the tumour for methods; None: any value above 0."""
        if not self.labels:
            return None
        return tuple(sorted(self.labels.values())) if self.use == UNION else (self.labels[self.use],)


class Clinical(Strict):
    """A clinical column. Methods get it only with ``model: true``; other columns only describe the cohort."""

    name: str
    column: str
    kind: Literal["numeric", "ordinal", "categorical"]
    levels: tuple[str, ...] = ()
    model: bool = False

    @model_validator(mode="after")
    def _levels_fit_kind(self) -> Clinical:
        if (self.kind == "numeric") != (not self.levels):
            raise ValueError(
                f"column {self.name!r}: ordinal and categorical columns need levels, numeric columns must not have any"
            )
        return self


class Features(Strict):
    """Precomputed features, one column each; methods get them instead of radiomics extracted from the images.

    ``table`` and ``id`` default to the card's. ``columns`` and ``exclude`` are names or shell patterns; the id column
    is never a feature.
    """

    table: str | None = None
    id: str | None = None
    columns: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    exclude: tuple[str, ...] = ()


class StageChoice(Strict):
    """Patients chosen by their stage group, as ``recorded`` in the table, or ``restaged``: by T, N and M of the 7th
    edition of the AJCC in groups of the 8th.

    ``rules`` names the table of stage groups. ``keep`` gives each level of the new column ``column`` the groups that it
    stands for; patients of other groups are left out. ``t``, ``n``, ``m`` and ``recorded`` are columns of the table;
    without ``m`` all patients are M0.
    """

    rules: Literal["nasopharynx"]
    by: Literal["recorded", "restaged"]
    keep: Annotated[dict[str, Annotated[tuple[StageGroup, ...], Field(min_length=1)]], Field(min_length=1)]
    t: str = "T"
    n: str = "N"
    m: str | None = None
    recorded: str = "TNM"
    column: str = "stage"

    @model_validator(mode="after")
    def _each_group_once(self) -> StageChoice:
        groups = [group for of_level in self.keep.values() for group in of_level]
        twice = sorted({g for g in groups if groups.count(g) > 1})
        if twice:
            raise ValueError(f"keep: a group belongs to one level; repeated: {', '.join(twice)}")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """The columns that are read, by their keys."""
        read = {"t": self.t, "n": self.n, "recorded": self.recorded}
        return read if self.m is None else {**read, "m": self.m}


class Patients(Strict):
    """The rows of the table that form the cohort: rows with one of the codes in each column of ``where``, of these the
    stages in ``stage``, except the ids in ``without``.
    """

    where: dict[str, Annotated[tuple[str | int | float | bool, ...], Field(min_length=1)]] = Field(default_factory=dict)
    stage: StageChoice | None = None
    without: tuple[str, ...] = ()


class Registration(Strict):
    """Rigid registration of all patients to a template before the crop.

    ``template`` is the id of a patient or a NIfTI file in the cohort's folder. ``channel`` is the image channel that is
    registered; the others and the mask follow it. ``interpolation`` is ``once``, or ``twice`` to resample all images to
    1 mm first, as in the DeepMTS paper.
    """

    template: str | int
    channel: str
    interpolation: Literal["once", "twice"] = "once"

    @property
    def file(self) -> str | None:
        """The template's file; None if the template is a patient."""
        name = str(self.template)
        return name if name.lower().endswith(NIFTI) else None


class CohortCard(Strict):
    """A cohort's card as read from YAML; unknown keys are refused.

    ``id`` is a column, or ``row-number`` to number the patients from 0 in the order of the table.
    ``group`` is a column that names the patient if several rows, such as lesions, belong to one patient; these rows
    stay in one fold. ``reference_centre`` is the value in the column ``centre`` that is the source of Transfer-Cox, and
    to whose scale ComBat brings the features of the others; patients of centres that a training fold does not have
    keep their values then.
    ``field_of_view_mm`` is one box for all patients (x, y, z in RAS directions), centred on ``reference``: the centre
    of each patient's image, or one point in world millimetres for registered cohorts. With ``registration`` both are
    in the template's world. ``radiomics`` names the feature set for methods that use radiomics. ``missing`` lists
    further cells that mean "not known" in outcome, clinical and feature columns.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=LONGEST_NAME)]
    title: OneLine
    table: str = "clinical.csv"
    id: str = "id"
    centre: str | None = None
    reference_centre: str = ""
    group: str | None = None
    patients: Patients = Patients()
    endpoint: Endpoint
    missing: tuple[str | int | float, ...] = ()
    images: dict[Annotated[str, Field(pattern=NAME)], Channel] = Field(default_factory=dict)
    mask: Mask | None = None
    features: Features | None = None
    field_of_view_mm: tuple[float, float, float] | None = None
    reference: Literal["image-centre"] | tuple[float, float, float] = "image-centre"
    registration: Registration | None = None
    clinical: tuple[Clinical, ...] = ()
    radiomics: str = "paper"
    licence: OneLine
    citation: OneLine
    notes: str = ""

    @model_validator(mode="after")
    def _images_have_a_field_of_view(self) -> CohortCard:
        if self.images and self.field_of_view_mm is None:
            raise ValueError("a cohort with images needs field_of_view_mm: [x, y, z]")
        if self.field_of_view_mm is not None and not all(0 < side < MAX_SIDE_MM for side in self.field_of_view_mm):
            raise ValueError(f"field_of_view_mm needs three sides between 0 and {MAX_SIDE_MM:g} mm")
        if "mask" in self.images:
            raise ValueError("'mask' is not a channel name; declare the tumour mask under the key 'mask'")
        for name in sorted(self.images.keys() & self.structures.keys()):
            raise ValueError(f"{name!r} is both an image channel and a structure of mask.labels; rename one of them")
        return self

    @model_validator(mode="after")
    def _registered_channel_exists(self) -> CohortCard:
        if self.registration is not None and self.registration.channel not in self.images:
            channels = ", ".join(self.images) or "none"
            raise ValueError(
                f"registration.channel {self.registration.channel!r} is not a channel of images ({channels})"
            )
        return self

    @model_validator(mode="after")
    def _reference_is_a_centre(self) -> CohortCard:
        if self.reference_centre and self.centre is None:
            raise ValueError(f"reference_centre {self.reference_centre!r} needs 'centre', the column that has it")
        return self

    @model_validator(mode="after")
    def _features_have_ids(self) -> CohortCard:
        apart = self.features is not None and self.features.table not in {None, self.table}
        if apart and self.id == ROW_NUMBER:
            raise ValueError(f"'id: {ROW_NUMBER}' cannot join features.table to the table; both need an id column")
        return self

    @model_validator(mode="after")
    def _predictors_are_no_outcome(self) -> CohortCard:
        names = [c.name for c in self.clinical]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"clinical names must be unique; repeated: {', '.join(twice)}")
        for column in self.clinical:
            if column.model and column.column in self.other_roles:
                raise ValueError(
                    f"column {column.column!r} is {self.other_roles[column.column]} and cannot be given to methods"
                )
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """The distinct patterns of the patients' files."""
        mask = () if self.mask is None else (self.mask.file,)
        return tuple(dict.fromkeys([*(channel.file for channel in self.images.values()), *mask]))

    @property
    def structures(self) -> dict[str, int]:
        """The voxel value of each structure that the mask's labels name."""
        return {} if self.mask is None else self.mask.labels

    @property
    def stage(self) -> StageChoice | None:
        """How patients are chosen by their stage group."""
        return self.patients.stage

    @property
    def other_roles(self) -> dict[str, str]:
        """Columns with an id, group or outcome role, and that role; they are not predictors."""
        group = {} if self.group is None else {self.group: "the group"}
        return {
            **group,
            self.id: "the id",
            self.endpoint.time: "the endpoint's time",
            self.endpoint.event: "the endpoint's event",
        }

    @property
    def model_columns(self) -> tuple[ClinicalColumn, ...]:
        """The clinical columns that methods get."""
        return tuple(ClinicalColumn(c.name, c.kind, c.levels) for c in self.clinical if c.model)


def parse_card(text: str, *, source: str) -> CohortCard:
    """Read a card from YAML text.

    Raises:
        BenchError: the text is not a YAML mapping, a value is still TODO, a key is unknown (with a suggestion) or a
            value does not fit.
    """
    raw = parse_yaml(text, source=source, see=_SEE)
    _refuse_todo(text, source)
    return parse_model(CohortCard, raw, source=source, see=_SEE)


def _refuse_todo(text: str, source: str) -> None:
    """Refuse a draft in which keys still have to be filled in."""
    found = list(_todo(yaml.compose(text, Loader=yaml.SafeLoader)))
    if found:
        keys = ", ".join(f"{key} (line {line})" for key, line in found)
        raise BenchError(
            f"{source} is not finished: {keys} {'is' if len(found) == 1 else 'are'} {TODO}. Fill in the values "
            "that the comments ask for; see docs/reference/cohort-card.md."
        )


def _todo(node: yaml.Node | None, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield the keys whose value is or contains TODO, with their lines."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _todo(value, f"{path}.{key.value}".lstrip("."))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _todo(value, path)
    elif isinstance(node, yaml.ScalarNode) and node.value == TODO:
        yield path, node.start_mark.line + 1


def read_card(path: Path) -> CohortCard:
    """Read a card file; see :func:`parse_card`."""
    return parse_card(read_text(path), source=str(path))
