"""The common grid, resampling to it, and the cache of what was resampled."""
