"""The list of experiments, in the order in which they run. Add a new experiment here."""

from workflow_scripts.experiments.amplification import Amplification
from workflow_scripts.experiments.composition import Composition
from workflow_scripts.experiments.diversity import Diversity
from workflow_scripts.experiments.experiment import Experiment
from workflow_scripts.experiments.field13 import Field13
from workflow_scripts.experiments.longer import Longer
from workflow_scripts.experiments.main import Main
from workflow_scripts.experiments.robustness import Robustness

EXPERIMENTS: tuple[type[Experiment], ...] = (
    Main,
    Amplification,
    Composition,
    Diversity,
    Robustness,
    Field13,
    Longer,
)
