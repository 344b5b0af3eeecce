"""One number that makes a net as sure as it is right: the temperature by which its logits are divided.

C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017): fitted after the
training, on photographs that the net has not learnt from, so that their log loss is lowest. It never changes which
class is the likeliest.

With a few dozen photographs that fit alone goes astray: where all of them are right, the log loss falls for ever as the
temperature goes to 0, and the net would be called certain. So the logarithm of the temperature gets a normal prior
around 0 with standard deviation ln 2: before any photograph is seen, a factor of 2 either way is nothing unusual. A
hundred photographs outweigh it, three hardly move it. `benchmarks/temperature.py` measures it beside the plain fit.
"""

import math
from collections.abc import Sequence
from statistics import geometric_mean

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

COLDEST, HOTTEST = 0.1, 10.0
_PRIOR_SPREAD = math.log(2)


def fit_temperature(logits: NDArray[np.float32], y_true: NDArray[np.int64], spread: float = _PRIOR_SPREAD) -> float:
    """Return the likeliest temperature, `COLDEST` to `HOTTEST`; 1 without photographs.

    It has four decimals: finer ones differ with the number of CPU threads.

    Parameters
    ----------
    logits : float32 (N, K), of photographs that the net was not trained on; any number may be added to a row
    y_true : int64 (N,), 0 to K - 1
    spread : standard deviation of the prior of the temperature's logarithm; infinite: no prior
    """
    if not len(logits):
        return 1.0
    wide = logits.astype(np.float64)
    of_true = wide[np.arange(len(wide)), y_true]

    def unlikelihood(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        losses = logsumexp(inverse * wide, axis=1) - inverse * of_true
        return float(losses.sum() + (log_temperature / spread) ** 2 / 2)

    found = minimize_scalar(unlikelihood, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return round(math.exp(found.x), 4)


def common_temperature(temperatures: Sequence[float]) -> float:
    """Return the temperature of a net that nothing is left to fit on: the geometric mean of its likes'."""
    return round(geometric_mean(temperatures), 4)
