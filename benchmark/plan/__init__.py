"""What is to be done: profile, protocol, registry of methods, jobs with their keys, and the plan of a study."""
