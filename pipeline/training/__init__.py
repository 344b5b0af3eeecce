"""PyTorch: from packed pictures to a trained net."""

import os

# How OpenMP's threads wait for each other, read when PyTorch is first imported. By default they spin for long, which on
# cores that others use too makes a step several times slower; not to spin at all costs a step on free cores a quarter.
# GNU's runtime, which PyTorch comes with on Linux, takes the number of turns; others know the policy alone.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
