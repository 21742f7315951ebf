"""What happens inside a job's process: read the inputs, fit, predict, check, store."""
