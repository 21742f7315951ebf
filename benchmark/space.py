"""Search spaces: what a method's hyper-parameters may be, as data that imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial


@dataclass(frozen=True, slots=True)
class Real:
    """A number from ``low`` to ``high``, drawn on a logarithmic scale with ``log``."""

    low: float
    high: float
    log: bool = False

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{' (log)' if self.log else ''}"

    def suggest(self, trial: BaseTrial, name: str) -> float:
        """Let a trial choose the value of the parameter ``name``."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        """Return Optuna's description of the range."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int
    log: bool = False

    def __str__(self) -> str:
        return f"{self.low} to {self.high}{' (log)' if self.log else ''}"

    def suggest(self, trial: BaseTrial, name: str) -> int:
        """Let a trial choose the value of the parameter ``name``."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def distribution(self) -> BaseDistribution:
        """Return Optuna's description of the range."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words or numbers."""

    options: tuple[str | int | float | bool, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.options))

    def suggest(self, trial: BaseTrial, name: str) -> str | int | float | bool | None:
        """Let a trial choose the value of the parameter ``name``."""
        return trial.suggest_categorical(name, self.options)

    def distribution(self) -> BaseDistribution:
        """Return Optuna's description of the options."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.options)


Dimension = Real | Whole | Choice
Space = Mapping[str, Dimension]
"""By the name of the constructor's argument."""


def suggest(trial: BaseTrial, space: Space) -> dict[str, Any]:
    """Return one value for every parameter of a space."""
    return {name: dimension.suggest(trial, name) for name, dimension in space.items()}


def space_to_json(space: Space) -> dict[str, dict[str, Any]]:
    """Return a space as JSON: ``{name: {"kind": "Real", "low": ..., ...}}``."""
    return {name: {"kind": type(dimension).__name__, **asdict(dimension)} for name, dimension in space.items()}


def space_from_json(raw: Mapping[str, Mapping[str, Any]]) -> Space:
    """Restore what :func:`space_to_json` gave."""
    kinds: Mapping[str, type[Real | Whole | Choice]] = {kind.__name__: kind for kind in (Real, Whole, Choice)}
    space: dict[str, Dimension] = {}
    for name, dimension in raw.items():
        values: dict[str, Any] = {k: v for k, v in dimension.items() if k != "kind"}
        if "options" in values:
            values["options"] = tuple(values["options"])
        space[name] = kinds[dimension["kind"]](**values)
    return space
