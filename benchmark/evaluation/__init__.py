"""The runs of a study read as arrays, scored and compared; nothing is drawn or written here."""
