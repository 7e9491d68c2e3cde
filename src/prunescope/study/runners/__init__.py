"""Runners: the same node function inline or in worker processes."""

from prunescope.study.runners.inline import Inline
from prunescope.study.runners.local import Local
from prunescope.study.runners.ray import Ray
from prunescope.study.runners.runner import Event, Runner, Siblings, drive

__all__ = ["Event", "Inline", "Local", "Ray", "Runner", "Siblings", "drive"]
