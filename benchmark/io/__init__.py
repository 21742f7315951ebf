"""General helpers: files, hashes, tables, settings, versions. They know nothing of cohorts, methods or jobs."""
