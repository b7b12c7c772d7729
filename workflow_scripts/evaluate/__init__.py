"""From models to numbers: sampled responses (rollouts), strategy labels, estimates with intervals.

Only evaluate.sample imports torch.
"""
