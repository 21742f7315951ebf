"""The paper's tables in a study's numbers."""
