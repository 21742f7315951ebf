"""Layouts: how a collection, or a hospital, names its files, tables, columns and codes, as data."""
