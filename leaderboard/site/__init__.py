"""The pages and charts of a study."""
