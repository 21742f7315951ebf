"""Boards: built from stored predictions, written as text, data and one page; two methods compared."""
