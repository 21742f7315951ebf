"""The documentation as a site: ``make site`` builds it from the same pages into build/site."""

project = "survbench"
html_title = "survbench"
extensions = ["myst_parser"]
exclude_patterns = ["scripts/*"]
myst_heading_anchors = 4
html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
html_show_copyright = False
