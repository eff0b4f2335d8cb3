"""Style transfer by optimising the picture itself, and textures: no network is trained."""

from fast_style.optimize.minimize import OPTIMIZERS, NonFiniteError, minimize
from fast_style.optimize.objective import Objective, Style
from fast_style.optimize.scales import MARGIN, Size, Step, optimize, scales

__all__ = ["MARGIN", "OPTIMIZERS", "NonFiniteError", "Objective", "Size", "Step", "Style", "minimize", "optimize"]
__all__ += ["scales"]
