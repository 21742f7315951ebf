"""The folder of each job, and where its results come from."""
