"""PyTorch: from packed pictures to a trained net."""

import os

# How OpenMP's threads wait for each other, read when PyTorch is first imported. By default they spin, which on cores
# that others use too makes a step 3 to 5 times slower, and on free cores gains next to nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
