"""What a study costs: forecasts before it runs, and measurements."""
