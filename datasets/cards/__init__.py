"""The card of a cohort, and the cards that come with survbench."""
