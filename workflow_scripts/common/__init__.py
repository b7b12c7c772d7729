"""Helpers that every other package uses: files, locks, errors, jobs, provenance, progress."""
