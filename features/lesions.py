"""Lesions of a mask: how many, how large, and how far apart.

A lesion is a connected component of the mask on the preprocessed grid; voxels that share a face, an edge or a corner
are connected. There is no smallest size. Dmax is the largest Euclidean distance between the centroids of two lesions
(Cottereau et al., J Nucl Med 61(1), 2020; on centroids against voxels: Cottereau et al., Cancers 13(16), 2021).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from survbench.volume import Volume


def centroids_mm(mask: Volume) -> NDArray[np.float64]:
    """Return the centroids of a mask's lesions in world millimetres, shape (lesions, 3); (0, 3) for an empty mask."""
    from scipy.ndimage import center_of_mass, label

    inside = np.asarray(mask.voxels(), dtype=bool)
    components, count = label(inside, structure=np.ones((3, 3, 3)))
    index = np.array(center_of_mass(inside, components, range(1, count + 1)), dtype=np.float64).reshape(count, 3)
    return index @ mask.affine[:3, :3].T + mask.affine[:3, 3]


def largest_distance_mm(masks: Iterable[Volume]) -> float:
    """Return Dmax over the lesions of some masks together; 0 for fewer than two lesions."""
    from scipy.spatial.distance import pdist

    centroids = np.vstack([np.empty((0, 3)), *map(centroids_mm, masks)])
    return float(pdist(centroids).max(initial=0.0))


def volume_ml(mask: Volume) -> float:
    """Return the volume of a mask in millilitres; 0 for an empty one."""
    return float(np.asarray(mask.voxels(), dtype=bool).sum()) * mask.voxel_volume_ml
