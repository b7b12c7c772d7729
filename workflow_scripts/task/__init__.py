"""Arithmetic programs over a finite field: problems, solutions, reward, strategy labels.

The modules need only the standard library. The same seed gives the same data sets, byte for byte,
on every machine.
"""
