"""The experiments, one file each: what varies, its runs, its tables, its figures, its claims.

registry lists them. Each is a class of settings, so that a section of the configuration is an
experiment; its methods name the runs and what is shown of them.
"""
