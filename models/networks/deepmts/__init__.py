"""DeepMTS and its degraded models: one class, parts left out."""
