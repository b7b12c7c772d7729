"""From models to numbers: rollouts, labels, and estimates with their intervals.

Only evaluate.sample imports torch.
"""
