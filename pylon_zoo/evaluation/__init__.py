"""Model + dataset + metrics → numbers with their support, as tables and files."""

from pylon_zoo.evaluation.evaluate import evaluate
from pylon_zoo.evaluation.result import Evaluation
from pylon_zoo.evaluation.tables import console_table, write_tables

__all__ = ["Evaluation", "console_table", "evaluate", "write_tables"]
