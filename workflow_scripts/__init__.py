"""The stage programs of the study and the libraries they stand on.

Imports go one way: task <- model <- train, and task <- evaluate <- report.
"""
