"""The methods under comparison and the training engine that the networks share."""
