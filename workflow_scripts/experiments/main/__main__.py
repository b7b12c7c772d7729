"""Run one stage of the main experiment, which makes a table, a figure or the quantities.

python -m workflow_scripts.experiments.main PLAN
"""

from workflow_scripts.common.jobs import run_stage

run_stage(__doc__)
