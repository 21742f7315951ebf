"""Metrics, tests and intervals from arrays; knows nothing of cohorts, methods or files."""
