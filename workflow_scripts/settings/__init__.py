"""The sections of the configuration, one module per section.

With separate modules, a change to one section's code reruns only the jobs that use the section. The
text below each setting is its entry in docs/configuration.md.
"""
