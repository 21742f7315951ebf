"""survbench: compares survival models on 3-D medical images under one protocol."""

__version__ = "0.1.0"
