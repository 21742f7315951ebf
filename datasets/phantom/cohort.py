"""The embedded cohort: simulated head-and-neck PET/CT patients with a known true hazard.

There are two centres (``phantom`` for training, ``phantom-external`` for testing), the clinical marginals of DeepMTS's
Table I, and a Weibull proportional-hazards model on known image factors. Patients do not depend on the grid: the same
seed gives the same anatomy and outcomes at any resolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from survbench.cohort import Cohort, Subject
from survbench.datasets.cards.card import CohortCard, parse_card
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.phantom.anatomy import (
    Anatomy,
    Blob,
    Scanner,
    Tumour,
    grid_affine,
    grid_shape,
    render_ct,
    render_mask,
    render_pet,
    surface_scale,
)
from survbench.io.hashing import digest
from survbench.plan.profile import PhantomSize
from survbench.volume import Modality, Volume

PHANTOM_VERSION = 1

FACTORS: Mapping[str, tuple[float, float, float]] = {
    # factor: (weight per standard deviation, population mean, population standard deviation)
    "log_volume": (0.65, 3.2, 0.7),
    "heterogeneity": (0.55, 0.5, 0.289),
    "irregularity": (0.40, 0.19, 0.081),
    "nodal_burden": (0.50, 1.27, 0.71),
    "stage": (0.35, 0.29, 0.45),
}
"""The true log hazard is the sum of weight x (factor - mean) / sd. Weights were chosen before any method was run and
never tuned.
"""
WEIBULL_SHAPE = 1.2
FOLLOW_UP_MONTHS = (12.0, 120.0)


@dataclass(frozen=True, slots=True)
class TableOne:
    """Marginal distributions in one column of the paper's Table I, as counts."""

    age: tuple[float, float, float]
    """Median, lowest, highest."""
    sex: Mapping[str, int]
    t_stage: Mapping[str, int]
    n_stage: Mapping[str, int]
    stage: Mapping[str, int]
    treatment: Mapping[str, int]
    """The printed counts overlap (160 + 26 + 7 of 170), which determines how many patients got both."""


TRAIN_TABLE = TableOne(
    age=(46, 16, 78),
    sex={"male": 130, "female": 40},
    t_stage={"T1": 54, "T2": 21, "T3": 72, "T4": 23},
    n_stage={"N0": 11, "N1": 34, "N2": 96, "N3": 29},
    stage={"III": 121, "IVa": 49},
    treatment={"none": 7, "chemotherapy": 137, "targeted": 3, "both": 23},
)
EXTERNAL_TABLE = TableOne(
    age=(61, 18, 82),
    sex={"male": 19, "female": 4},
    t_stage={"T1": 5, "T2": 4, "T3": 9, "T4": 5},
    n_stage={"N0": 2, "N1": 7, "N2": 9, "N3": 5},
    stage={"III": 12, "IVa": 11},
    treatment={"none": 3, "chemotherapy": 20, "targeted": 0, "both": 0},
)
SCANNERS = {
    "A": Scanner(pet_gain=1.0, pet_fwhm_mm=5.0, pet_noise=0.10, ct_offset_hu=0.0, ct_fwhm_mm=1.5, ct_noise_hu=12.0),
    "B": Scanner(pet_gain=1.2, pet_fwhm_mm=7.0, pet_noise=0.16, ct_offset_hu=12.0, ct_fwhm_mm=2.0, ct_noise_hu=20.0),
}
NODES_BY_STAGE = {"N0": (0, 0), "N1": (1, 2), "N2": (2, 4), "N3": (4, 6)}


@dataclass(frozen=True, slots=True)
class Patient:
    """A simulated patient: table row, anatomy to draw, hazard factors and the log hazard itself."""

    clinical: Mapping[str, float | str]
    anatomy: Anatomy
    factors: Mapping[str, float]

    @property
    def log_hazard(self) -> float:
        """True log hazard relative to a patient with average factors."""
        return sum(w * (self.factors[name] - mean) / sd for name, (w, mean, sd) in FACTORS.items())


def phantom_card(name: str) -> CohortCard:
    """Return the card of ``phantom`` or ``phantom-external``."""
    card = parse_card(
        (files("survbench.datasets.cards") / "phantom.yaml").read_text(encoding="utf-8"), source="phantom.yaml"
    )
    title = card.title if name == card.name else f"{card.title}, second centre"
    return card.model_copy(update={"name": name, "title": title})


def phantom_cohorts(size: PhantomSize, voxels: int) -> tuple[SourceCohort, SourceCohort]:
    """Return the training cohort (centre A) and the external cohort (centre B).

    Args:
        size: numbers of patients, event rates and seed; event counts are met exactly.
        voxels: number of voxels along the longest side (128 mm) of the 128 x 128 x 112 mm field of view.
    """
    seed = size.seed
    train = simulate(TRAIN_TABLE, size.train, "A", np.random.default_rng([seed, 0]))
    external = simulate(EXTERNAL_TABLE, size.external, "B", np.random.default_rng([seed, 1]))
    return (
        _source("phantom", "A", train, size.event_rate, voxels, np.random.default_rng([seed, 2])),
        _source("phantom-external", "B", external, size.external_event_rate, voxels, np.random.default_rng([seed, 3])),
    )


def simulate(table: TableOne, count: int, centre: str, rng: np.random.Generator) -> list[Patient]:
    """Draw patients whose table has the marginals of ``table`` and whose stages agree with their disease."""
    log_volume = np.clip(rng.normal(FACTORS["log_volume"][1], FACTORS["log_volume"][2], count), 1.6, 4.25)
    heterogeneity = rng.uniform(0, 1, count)
    irregularity = rng.uniform(0.05, 0.33, count)
    nodal = rng.normal(size=count)
    t_stage = _by_rank(table.t_stage, log_volume + rng.normal(0, 0.5, count))
    n_stage = _by_rank(table.n_stage, nodal)
    advanced = [float(t == "T4" or n == "N3") for t, n in zip(t_stage, n_stage, strict=True)]
    stage = _by_rank(table.stage, np.array(advanced) + rng.uniform(0, 0.5, count))
    sex, treatment = (_by_rank(m, rng.uniform(size=count)) for m in (table.sex, table.treatment))
    ages = _ages(table.age, count, rng)
    patients = []
    for i in range(count):
        nodes = _nodes(n_stage[i], rng)
        burden = float(np.log1p(sum(4 / 3 * np.pi * np.prod(b.radii) / 1000 for b in nodes)))
        clinical: dict[str, float | str] = {
            "age": float(ages[i]),
            "sex": sex[i],
            "t_stage": t_stage[i],
            "n_stage": n_stage[i],
            "stage": stage[i],
            "treatment": treatment[i],
        }
        factors = {
            "log_volume": float(log_volume[i]),
            "heterogeneity": float(heterogeneity[i]),
            "irregularity": float(irregularity[i]),
            "nodal_burden": burden,
            "stage": float(stage[i] == "IVa"),
        }
        patients.append(Patient(clinical, _anatomy(factors, nodes, SCANNERS[centre], rng), factors))
    return patients


def outcomes(
    log_hazard: NDArray[np.float64], event_rate: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Draw Weibull event times and uniform follow-up, with the baseline hazard set so that exactly round(rate x n)
    events are observed.

    Returns:
        (time in months, event).
    """
    count = len(log_hazard)
    relative = (-np.log(rng.uniform(size=count)) / np.exp(log_hazard)) ** (1 / WEIBULL_SHAPE)
    follow_up = rng.uniform(*FOLLOW_UP_MONTHS, size=count)
    # scale x relative <= follow-up is an event, so the scale must lie between two neighbours of the sorted ratios
    ratios = np.sort(follow_up / relative)[::-1]
    events = round(event_rate * count)
    scale = float(np.sqrt(ratios[events - 1] * ratios[events])) if events < count else float(ratios[-1]) / 2
    time = scale * relative
    event = time <= follow_up
    return np.where(event, time, follow_up), event


def _source(
    name: str, centre: str, patients: Sequence[Patient], event_rate: float, voxels: int, rng: np.random.Generator
) -> SourceCohort:
    card = phantom_card(name)
    truth = np.array([p.log_hazard for p in patients])
    time, event = outcomes(truth, event_rate, rng)
    subjects = tuple(
        Subject(f"{centre}{number:03d}", centre, dict(p.clinical), _volumes(p.anatomy, voxels))
        for number, p in enumerate(patients, start=1)
    )
    cohort = Cohort(
        subjects=subjects,
        channels=tuple(card.images),
        clinical_columns=card.model_columns,
        truth=truth,
        time=time,
        event=event,
    )
    return SourceCohort(card, cohort)


def _volumes(anatomy: Anatomy, voxels: int) -> dict[str, Volume]:
    shape, affine = grid_shape(voxels), grid_affine(voxels)
    drawings: tuple[tuple[str, Modality, Any, Any], ...] = (
        ("pet", "PET", render_pet, anatomy),
        ("ct", "CT", render_ct, anatomy),
        ("mask", "MASK", render_mask, anatomy.tumour),
    )
    return {
        name: Volume(modality, shape, affine, partial(render, drawn, voxels), partial(_print, name, drawn, voxels))
        for name, modality, render, drawn in drawings
    }


@cache  # asked for several times in a call, and hashing an anatomy costs more than comparing it
def _print(name: str, drawn: Any, voxels: int) -> str:
    return digest([PHANTOM_VERSION, name, asdict(drawn), voxels])


def _by_rank(counts: Mapping[str, int], score: NDArray[np.float64]) -> list[str]:
    """Assign the first level to the lowest scores, and so on, in the counts' proportions (largest remainder)."""
    total, n = sum(counts.values()), len(score)
    exact = np.array([c * n / total for c in counts.values()])
    sizes = np.floor(exact).astype(int)
    for index in np.argsort(sizes - exact, kind="stable")[: n - sizes.sum()]:
        sizes[index] += 1
    levels = np.repeat(list(counts), sizes)
    result = np.empty(n, dtype=object)
    result[np.argsort(score, kind="stable")] = levels
    return [str(level) for level in result]


def _ages(age: tuple[float, float, float], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw ages in whole years with the printed median, minimum and maximum."""
    median, low, high = age
    half = (count - 1) // 2
    below = rng.triangular(low, median, median, half).round()
    above = rng.triangular(median, median, high, half).round()
    middle = [median] * (count - 2 * half)
    ages = np.sort(np.concatenate([below, middle, above]))
    ages[0], ages[-1] = low, high
    return rng.permutation(ages)


def _nodes(n_stage: str, rng: np.random.Generator) -> tuple[Blob, ...]:
    low, high = NODES_BY_STAGE[n_stage]
    nodes = []
    for _ in range(int(rng.integers(low, high + 1))):
        side = rng.choice([-1.0, 1.0])
        centre = (side * rng.uniform(36, 46), rng.uniform(-34, -12), rng.uniform(-42, -14))
        size = rng.uniform(4.5, 8.0) if n_stage != "N3" else rng.uniform(7.0, 11.0)
        radii = (size * rng.uniform(0.7, 0.9), size * rng.uniform(0.8, 1.0), size * rng.uniform(0.9, 1.2))
        nodes.append(Blob(_floats(centre), _floats(radii), float(rng.uniform(4, 9))))
    return tuple(nodes)


def _anatomy(
    factors: Mapping[str, float], nodes: tuple[Blob, ...], scanner: Scanner, rng: np.random.Generator
) -> Anatomy:
    waves = tuple((*_direction(rng), float(rng.uniform(2, 5)), float(rng.uniform(0, 2 * np.pi))) for _ in range(6))
    wavelengths = rng.uniform(9, 18, 6)
    texture = tuple(
        (*(2 * np.pi / length * c for c in _direction(rng)), float(rng.uniform(0, 2 * np.pi))) for length in wavelengths
    )
    stretch = np.exp(rng.normal(0, 0.12, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    volume_mm3 = 1000 * np.exp(factors["log_volume"])
    radius = (volume_mm3 / (4 / 3 * np.pi * surface_scale(factors["irregularity"], waves))) ** (1 / 3)
    tumour = Tumour(
        centre=_floats((rng.normal(0, 4), -16 + rng.normal(0, 3), 2 + rng.normal(0, 4))),
        radius=float(radius),
        stretch=_floats(stretch),
        irregularity=factors["irregularity"],
        waves=waves,
        suv=float(np.exp(rng.normal(np.log(8), 0.3))),
        heterogeneity=factors["heterogeneity"],
        texture=texture,
    )
    glands = tuple(
        Blob(_floats(centre), radii, float(suv * rng.lognormal(0, 0.2)))
        for side in (-1.0, 1.0)
        for centre, radii, suv in (
            ((side * 50, -14, -16), (8.0, 14.0, 16.0), 2.0),  # parotid
            ((side * 27, 8, -42), (8.0, 12.0, 9.0), 2.4),  # submandibular
            ((side * 15, -2, -24), (5.0, 7.0, 9.0), 3.2),  # tonsil
        )
    )
    return Anatomy(
        size=float(rng.uniform(0.94, 1.04)),
        brain_suv=float(rng.uniform(6, 9)),
        airway_radius=float(rng.uniform(5.5, 8)),
        tumour=tumour,
        nodes=nodes,
        glands=glands,
        scanner=scanner,
        noise_seed=int(rng.integers(2**31)),
    )


def _direction(rng: np.random.Generator) -> tuple[float, float, float]:
    vector = rng.normal(size=3)
    return _floats(vector / np.linalg.norm(vector))


def _floats(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
