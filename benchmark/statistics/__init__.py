"""Metrics, tests and intervals from arrays. They know nothing of cohorts, methods or files."""
