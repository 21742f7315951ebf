"""What the fork server imports once, so that a job's process starts in a tenth of a second.

A library that cannot be imported is left to the jobs that need it, which fail and say why: without its server a run can
do nothing at all.
"""

from contextlib import suppress
from importlib import import_module

LIBRARIES = (
    "nibabel",
    "numba",
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "pydicom",
    "radiomics",
    "safetensors.torch",
    "scipy.ndimage",
    "scipy.stats",
    "sklearn.preprocessing",
    "sksurv.linear_model",
    "torch",
    "survbench.datasets.cohorts.measure",
    "survbench.datasets.preprocessing.resample",
    "survbench.features.radiomics",
    "survbench.work.fit",
    "survbench.work.prepare",
)
for library in LIBRARIES:
    with suppress(Exception):
        import_module(library)
