"""The simulated PET/CT cohort."""
