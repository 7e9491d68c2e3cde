"""Studies: what is run, where its results lie, and what is told of them."""

from prunescope.study.audit import Audit, audit
from prunescope.study.plan import plan_study
from prunescope.study.report import report
from prunescope.study.run import Summary, results, run
from prunescope.study.study import Study, load_study

__all__ = ["Audit", "Study", "Summary", "audit", "load_study", "plan_study", "report", "results", "run"]
