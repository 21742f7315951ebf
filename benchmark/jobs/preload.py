"""What the fork server imports once, so that a job's process starts in a tenth of a second."""

import numba
import numpy as np
import pandas as pd
import pyarrow.parquet
import radiomics
import scipy.ndimage
import scipy.stats
import sklearn.preprocessing
import sksurv.linear_model
import survbench.work.fit
import torch

__all__ = ["np", "numba", "pd", "pyarrow", "radiomics", "scipy", "sklearn", "sksurv", "survbench", "torch"]
