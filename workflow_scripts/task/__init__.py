"""Arithmetic programs over a finite field: problems, solutions, reward, strategy labels.

Standard library only. The same seed gives the same bytes on every machine.
"""
