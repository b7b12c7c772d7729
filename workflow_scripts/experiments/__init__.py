"""The experiments, one module each: settings, runs, tables, figures and claims.

`registry` lists them. An experiment is a class of settings, read from its section of the
configuration. Its methods define the runs and the tables, figures and quantities made from them.
"""
