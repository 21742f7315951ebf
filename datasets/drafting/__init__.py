"""What a table and a folder of files say about a cohort, for the draft of its card."""
