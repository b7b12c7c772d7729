"""Draw one figure as PNG and SVG."""

from functools import partial

from workflow_scripts.files import run_stage
from workflow_scripts.report.figures import writers
from workflow_scripts.report.inputs import command_line

if __name__ == "__main__":
    run_stage(partial(command_line, __doc__, ("png", "svg"), writers))
