"""The experiments, one module each: settings, runs, tables, figures and claims.

`registry` lists them. Each experiment is a class of settings, read from a section of the
configuration. The methods of the class define its runs, and the tables, figures and quantities that
are made from these runs.
"""
