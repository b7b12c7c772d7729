"""The plan of a study: all jobs with their arguments, inputs and outputs, from a configuration."""
