"""From a hospital's folder to a cohort: images, masks and a table under pseudonyms."""
