"""The files of a board, of its tables, and of what methods kept."""
