"""The sections of the configuration: one module each, so that a change of one reruns what uses it.

The text under each setting is its entry in docs/configuration.md.
"""
