"""What a study will do: profile, protocol, registry of methods, jobs with their keys, and the plan."""
