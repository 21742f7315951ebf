"""Numbers and words as people read them, and as CSV, LaTeX and Markdown spell them."""
