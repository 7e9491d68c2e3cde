"""The main job as a newcomer meets it: one command, then the same command again, then the README's example."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
LIMIT_SECONDS = 90 if os.cpu_count() == 2 and not os.environ.get("PYTEST_XDIST_WORKER") else 300


def demo(folder):
    command = [sys.executable, "-m", "prunescope", "demo", "--out", "demo", "--store", "prunescope-store"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("newcomer")
    began = time.monotonic()
    first = demo(folder)
    assert first.returncode == 0, first.stderr
    assert time.monotonic() - began < LIMIT_SECONDS
    return folder, first


def test_the_first_run_writes_a_page_that_answers(newcomer):
    folder, first = newcomer
    assert first.stdout.strip() == "demo/report.html"
    assert "0 failed, 0 blocked, 0 already there" in first.stderr
    page = (folder / "demo" / "report.html").read_text()
    assert re.search(r"keeps every promise up to", page)
    assert "First to break" in page


def test_the_second_run_does_nothing_and_is_quick(newcomer):
    folder, _ = newcomer
    began = time.monotonic()
    again = demo(folder)
    seconds = time.monotonic() - began
    assert "0 done, 0 failed, 0 blocked" in again.stderr
    assert seconds < LIMIT_SECONDS / 3


def test_the_python_example_of_the_readme_runs_as_a_script(newcomer):
    folder, _ = newcomer
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (folder / "example.py").write_text(example)
    told = subprocess.run([sys.executable, "example.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "0.weight" in told.stdout
    assert (folder / "report.html").exists()
