"""What all packages use: files, locks, errors, jobs, provenance, progress."""
