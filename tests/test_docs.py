import importlib.util
import json
from pathlib import Path

import pytest
import torch

from prunescope.study.plan import plan_study
from prunescope.study.study import load_study

DOCS = Path(__file__).parents[1] / "docs"


def test_the_reference_is_what_the_members_say():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (DOCS / "reference.md").read_text("utf-8") == generate.reference(), "run `make docs`"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_and_was_executed(path):
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run `make docs`"
    threads, names = torch.get_num_threads(), {}
    for cell in cells:
        exec("".join(cell["source"]), names)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("path", sorted((DOCS / "results").rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_study_behind_a_page_of_results_can_be_planned(path):
    settings = {"data": "digits", "init": None, "seeds": 1}  # its own data and weights are not here
    assert plan_study(load_study(path, settings=settings)).measured
