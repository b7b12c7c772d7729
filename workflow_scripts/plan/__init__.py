"""The plan of a study: every job with its arguments, inputs and outputs."""
