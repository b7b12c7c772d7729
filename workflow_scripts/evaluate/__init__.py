"""From models to numbers: rollouts, labels, and estimates with their intervals.

Importing this package needs no torch; evaluate.sample alone does.
"""
