"""The data of a board, built from measured runs."""
