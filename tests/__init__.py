"""Tests, in the folders of the packages that they test; shared builders are in tests/support."""

import os

# One thread per process, so that two workers do not compete for two cores. Set before numpy, polars or torch is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(_name, "1")
