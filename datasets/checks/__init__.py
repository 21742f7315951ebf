"""What can be wrong with a cohort: a class for each check, by what it is about."""
