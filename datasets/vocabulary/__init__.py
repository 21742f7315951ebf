"""What words and codes in clinical tables mean, in the languages of clinics."""
