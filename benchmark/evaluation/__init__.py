"""Reads the runs of a study as arrays, scores and compares them. Nothing is drawn here."""
