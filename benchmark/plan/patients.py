"""Patients as jobs name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from survbench.cohort import Need
from survbench.io.hashing import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Patients:
    """A prepared cohort as its jobs name it.

    Attributes:
        cohort: its fingerprint.
        rows: prepared row of each patient, by id.
        outcomes: (time, event) of each patient, by id.
        declared: ``channels`` and ``clinical_columns`` of the card, and its ``reference_centre`` if it names one.
    """

    cohort: str
    rows: Mapping[str, Mapping[str, Any]]
    outcomes: Mapping[str, Sequence[Any]]
    declared: Mapping[str, Any]
    _digests: dict[tuple[tuple[str, ...], frozenset[Need]], str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def digest(self, ids: Iterable[str], needs: Iterable[Need]) -> str:
        """Hash what a method sees of some patients, and how the card declares it: the order of channels, and the kind
        and levels of clinical columns, change what the same values mean.
        """
        asked = tuple(ids), frozenset(needs)
        if asked not in self._digests:  # the same fold is asked for by every method and seed
            self._digests[asked] = digest(self._seen(*asked))
        return self._digests[asked]

    def _seen(self, ids: Iterable[str], allowed: frozenset[Need]) -> list[Any]:
        """Return what the digest is of."""
        content: list[Any] = [
            self.declared["channels"] if "images" in allowed else None,
            self.declared["clinical_columns"] if "clinical" in allowed else None,
            *([self.declared.get("reference_centre")] if "centres" in allowed else []),
        ]
        for subject in ids:
            row = self.rows[subject]
            volumes = {k: v for k, v in row["volumes"].items() if ("mask" if k == "mask" else "images") in allowed}
            clinical = row["clinical"] if "clinical" in allowed else None
            radiomics = row["radiomics"] if "radiomics" in allowed else None
            truth = row.get("truth") if "truth" in allowed else None
            seen = [subject, row["centre"], list(self.outcomes[subject]), volumes, clinical, radiomics, truth]
            if "structures" in allowed:
                of_structures = row.get("structure_radiomics") if "radiomics" in allowed else None
                seen += [row.get("structures"), of_structures]
            content.append([*seen, row["group"]] if row.get("group") else seen)
        return content
