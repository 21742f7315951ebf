"""Makes a method of a network: encodes the clinical columns, reads the images, trains, predicts, saves."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from survbench.api import Context, NotFittedError
from survbench.cohort import Cohort, UnlabelledCohort
from survbench.errors import BenchError
from survbench.models.engine import PUBLISHED_SCHEDULE, Recipe, Trainer, seeded
from survbench.models.augment import Augmentation
from survbench.models.inference import AT_ONCE, lay_out, predict
from survbench.models.layers import count_buffers, count_convolutions, count_parameters
from survbench.models.losses import Objective
from survbench.models.tensors import Inputs, Labelled, Output, stack
from torch import nn
