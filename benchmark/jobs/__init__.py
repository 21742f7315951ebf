"""Runs jobs, each in a process of its own, and prepares cohorts for them."""
