"""What can happen to a running study: a full or read-only disk, signals, nodes that hang, clocks that jump."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import yaml

from prunescope.core.errors import PrunescopeError
from prunescope.study.doctor import examine
from prunescope.study.run import run
from tests.study.test_plan import TRAIN, raw
from tests.study.test_run import everything, members

LITTLE = {"seeds": 1, "recipes": {"dense": [TRAIN]}}


@contextmanager
def mounted(folder, size):
    """Mount a disk of this size in memory, where this user may."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # artefacts stay mapped in this process


@pytest.mark.parametrize("on", ["inline", "local"])
def test_a_full_disk_is_told_of_and_the_run_goes_on_when_there_is_space(tmp_path, on):
    assert run(raw(**LITTLE), store=tmp_path / "whole", on="inline").complete
    with mounted(tmp_path / "disk", "400k") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(200_000))
        with pytest.raises(PrunescopeError, match="store cannot be written") as refusal:
            run(raw(**LITTLE), store=disk / "store", on=on, workers=1)
        assert "same command again" in str(refusal.value)
        assert examine(disk / "store").damaged == ()
        ballast.unlink()
        assert run(raw(**LITTLE), store=disk / "store", on=on, workers=1).complete
        assert everything(disk / "store") == everything(tmp_path / "whole")


def test_a_read_only_store_can_be_read_and_what_is_missing_is_refused(tmp_path):
    with mounted(tmp_path / "disk", "10m") as disk:
        assert run(raw(**LITTLE), store=disk / "store", on="inline").complete
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert run(raw(**LITTLE), store=disk / "store", on="inline").done == 0
        with pytest.raises(PrunescopeError, match="cannot be written"):
            run(raw(**LITTLE | {"seeds": 2}), store=disk / "store", on="inline")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_within_seconds_with_a_summary_and_leaves_nobody_behind(tmp_path, number):
    path, store = tmp_path / "study.yaml", tmp_path / "store"
    path.write_text(yaml.safe_dump(raw(seeds=60)))
    command = [sys.executable, "-m", "prunescope", "run", str(path), "--store", str(store), "--workers", "1"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    deadline = time.monotonic() + 60
    while not list(store.glob("state/??/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    began = time.monotonic()
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "the same command goes on from here" in told
    assert "Traceback" not in told
    while members(process.pid) and time.monotonic() < began + 60:
        time.sleep(0.1)
    assert members(process.pid) == []
    assert examine(store).damaged == ()


@pytest.mark.parametrize("on", ["inline", "local"])
def test_a_node_that_takes_too_long_is_stopped_and_recorded_and_the_rest_goes_on(tmp_path, on):
    endless = {"train": {"until": "1000000ep", "batch": 32}}
    recipes = {"dense": [TRAIN], "endless": [endless]}
    study = raw(seeds=1, recipes=recipes, time_limit=10)
    summary = run(study, store=tmp_path / "store", on=on, workers=2)
    [hint] = summary.failed.values()
    assert "took longer than it may" in hint
    assert summary.blocked == 3
    assert summary.done == 6


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    assert run(raw(**LITTLE), store=tmp_path / "plain", on="inline").complete
    jumps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 1e9 * (-1) ** next(jumps))
    assert run(raw(**LITTLE), store=tmp_path / "jumping", on="inline").complete
    assert everything(tmp_path / "jumping") == everything(tmp_path / "plain")
