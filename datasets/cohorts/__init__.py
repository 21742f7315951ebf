"""Whole cohorts: by name, opened together, described, checked, drafted."""
