"""`python -m pipeline.beside STAGE`: the process beside a stage, which sends what the stage records to MLflow.

The stage starts it by this name (`tracking.sender.PROGRAM`) and depends on nothing here: how a version becomes
champion changes no output of a stage.
"""

import sys

from pipeline.promotion import judge
from pipeline.tracking.sender import follow

if __name__ == "__main__":
    follow(int(sys.argv[1]), judge)
