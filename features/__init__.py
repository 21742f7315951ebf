"""Numbers about patients: clinical values, radiomics, and which of them to keep."""
