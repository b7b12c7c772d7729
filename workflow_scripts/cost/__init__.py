"""The cost of a study: forecasts before it runs, and measurements."""
