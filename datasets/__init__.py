"""Cohorts: the embedded phantom, folders of images with a table, and how they become one grid."""
