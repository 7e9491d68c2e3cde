"""Shifts: seeded, batched changes of test images, of any size and with one or three channels.

The 19 corruptions of CIFAR-10-C (Hendrycks and Dietterich, ICLR 2019) with their published parameters at severities 1
to 5, and additive noise of a given size. They are generated here: close to the published files in distribution, never
equal to them draw by draw, so results on the two should not be mixed.
"""

from prunescope.data.shifts import blur, digital, noise, spatter, weather
from prunescope.data.shifts.apply import apply_shift, corrupt
from prunescope.data.shifts.draws import Draws
from prunescope.data.shifts.shift import SHIFTS, Severity, Shift

__all__ = [
    "SHIFTS",
    "Draws",
    "Severity",
    "Shift",
    "apply_shift",
    "blur",
    "corrupt",
    "digital",
    "noise",
    "spatter",
    "weather",
]
