"""Trees of scikit-learn as arrays, one after the other: no pickle is needed to keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

LEAF = -1


@dataclass(frozen=True, slots=True)
class Trees:
    """The splits of an ensemble of trees.

    Attributes:
        left, right: rows of the children, -1 at leaves.
        feature, threshold: go left where the column is at most the threshold.
        roots: row of each tree's root.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    roots: NDArray[np.int64]

    @classmethod
    def of(cls, trees: Sequence[Any]) -> Self:
        """Take the splits out of scikit-learn's trees (attribute ``tree_`` of an estimator)."""
        sizes = [tree.node_count for tree in trees]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

        def children(of: str) -> NDArray[np.int64]:
            parts = [np.asarray(getattr(tree, of), dtype=np.int64) for tree in trees]
            return np.concatenate([np.where(p == LEAF, LEAF, p + root) for p, root in zip(parts, roots, strict=True)])

        return cls(
            left=children("children_left"),
            right=children("children_right"),
            feature=np.concatenate([np.asarray(tree.feature, dtype=np.int64) for tree in trees]),
            threshold=np.concatenate([np.asarray(tree.threshold, dtype=np.float64) for tree in trees]),
            roots=roots,
        )

    def leaves(self, matrix: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the leaf of each patient in each tree, shape (n, trees)."""
        values = matrix.astype(np.float32)  # scikit-learn compares in single precision
        rows = np.arange(len(values))[:, None]
        node = np.broadcast_to(self.roots, (len(values), len(self.roots))).copy()
        while (inner := self.left[node] != LEAF).any():
            goes_left = values[rows, np.where(inner, self.feature[node], 0)] <= self.threshold[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
        return node

    def sum_of(self, value: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over the trees of the values of a patient's leaves, shape (n,); ``value`` has one a node."""
        total: NDArray[np.float64] = value[self.leaves(matrix)].sum(axis=1)
        return total

    def split_shares(self, columns: int) -> list[float]:
        """Return the share of all splits that each of ``columns`` makes; 0 for all where no tree splits."""
        counts = np.bincount(self.feature[self.left != LEAF], minlength=columns)
        return [float(count) for count in counts / max(1, counts.sum())]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore what :meth:`arrays` gave; other arrays are passed over."""
        return cls(**{name: arrays[name] for name in cls.__slots__})

    def arrays(self) -> dict[str, Any]:
        """Return the arrays by name, for ``numpy.savez``."""
        return {name: getattr(self, name) for name in self.__slots__}
