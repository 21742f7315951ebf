"""Files, hashes, tables, settings: what every room above uses and nothing of this project is needed for."""
