"""Trains, applies and stores any network of ours."""
