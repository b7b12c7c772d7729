"""The tiny study of the training tests, on which the benchmark runs as well."""

from tests.train.conftest import tiny

__all__ = ["tiny"]
