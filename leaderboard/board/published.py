"""Values from the publication, as boards and figures quote them."""

from __future__ import annotations

SOURCE = "Meng et al., IEEE JBHI 26(9), 2022"
PUBLISHED_ONSET = {
    "sur-hs": "about step 300",
    "sur-casnet": "about step 200",
    "mt-hs": "none seen",
    "mt-casnet": "none seen",
}
"""Where the publication sees over-fitting begin, within 15,000 iterations."""
