"""One file for each thing that a user can ask for; the command line calls these."""
