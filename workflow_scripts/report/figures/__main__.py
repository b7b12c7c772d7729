"""Draw one figure as PNG and SVG."""

from workflow_scripts.common.jobs import run_stage

if __name__ == "__main__":
    run_stage(__doc__)
