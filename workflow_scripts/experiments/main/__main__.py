"""Make one product of the main experiment.

python -m workflow_scripts.experiments.main PLAN
"""

from workflow_scripts.common.jobs import run_stage

run_stage(__doc__)
