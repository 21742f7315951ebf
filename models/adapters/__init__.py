"""Adapters: an estimator or a torch module becomes a method in a few lines."""
