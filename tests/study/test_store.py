import json
import multiprocessing
import os
import signal
import time

import pytest
import torch

from prunescope.core.config import fingerprint
from prunescope.core.errors import PrunescopeError
from prunescope.study.doctor import examine
from prunescope.study.store import CONTENT, FORMAT, MANIFEST, TENSORS, Artefact, Store

SPEC = '{"kind":"state"}'


def artefact(seed=0, size=1000):
    generator = torch.Generator().manual_seed(seed)
    return Artefact(tensors={"w": torch.rand(size, generator=generator)}, content={"seed": seed})


def put(store, number=0, spec=SPEC):
    key = fingerprint(number)
    store.write("state", key, spec, artefact(number), seconds=0.1, device="cpu")
    return key


def test_reads_back_what_it_wrote_with_a_manifest(tmp_path):
    store = Store(tmp_path / "store")
    key = put(store)
    back = store.read("state", key)
    assert torch.equal(back.tensors["w"], artefact().tensors["w"])
    assert back.content == {"seed": 0}
    manifest = store.manifest("state", key)
    assert set(manifest["files"]) == {"spec.json", TENSORS, CONTENT}
    assert manifest["device"] == "cpu"
    assert manifest["versions"]["torch"] == torch.__version__


def test_lies_where_the_key_says_and_nothing_is_left_beside(tmp_path):
    store = Store(tmp_path / "store")
    key = put(store)
    assert (tmp_path / "store" / "state" / key[:2] / key / "spec.json").read_text() == SPEC
    assert store.leftovers() == []
    assert [p.name for p in (tmp_path / "store" / "state" / key[:2]).iterdir()] == [key]


def test_opening_a_store_that_is_not_there_writes_nothing(tmp_path):
    store = Store(tmp_path / "store")
    assert not store.has("state", "ab")
    assert not (tmp_path / "store").exists()


def test_a_second_writer_of_one_key_changes_nothing(tmp_path):
    store = Store(tmp_path / "store")
    key = put(store)
    before = (store.folder("state", key) / MANIFEST).read_bytes()
    put(store)
    assert (store.folder("state", key) / MANIFEST).read_bytes() == before
    assert store.leftovers() == []


def test_two_stores_merge_by_copying(tmp_path):
    import shutil

    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    keys = put(one, 1), put(two, 2)
    shutil.copytree(tmp_path / "two", tmp_path / "one", dirs_exist_ok=True)
    assert [one.read("state", key).content["seed"] for key in keys] == [1, 2]
    assert list(one.damaged()) == []


def test_a_changed_default_is_an_error_that_names_it(tmp_path):
    store = Store(tmp_path / "store")
    key = put(store, spec=json.dumps({"parameters": {"lr": 0.1}}))
    assert store.matches("state", key, json.dumps({"parameters": {"lr": 0.1}}))
    with pytest.raises(PrunescopeError, match=r"default changed.*parameters.lr: stored 0.1, now 0.2"):
        store.matches("state", key, json.dumps({"parameters": {"lr": 0.2}}))


def test_an_option_that_did_not_exist_yet_is_no_change(tmp_path):
    store = Store(tmp_path / "store")
    key = put(store, spec=json.dumps({"parameters": {"train": {"lr": 0.1}}}))
    assert store.matches("state", key, json.dumps({"parameters": {"train": {"lr": 0.1, "clip": None}}}))


@pytest.mark.parametrize("name", [TENSORS, CONTENT, "spec.json", MANIFEST])
def test_any_flipped_byte_is_found_and_repaired(tmp_path, name):
    store = Store(tmp_path / "store")
    key, sound = put(store, 1), put(store, 2)
    path = store.folder("state", key) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    assert [key in where for where, _ in examine(store.root).damaged] == [True]
    examine(store.root, repair=True)
    assert not store.has("state", key)
    assert store.has("state", sound)
    assert examine(store.root).damaged == ()


@pytest.mark.parametrize("name", [TENSORS, CONTENT, MANIFEST])
def test_a_truncated_artefact_is_refused_with_the_remedy(tmp_path, name):
    store = Store(tmp_path / "store")
    key = put(store)
    path = store.folder("state", key) / name
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(PrunescopeError, match="doctor --repair") as caught:
        store.read("state", key)
    assert key in str(caught.value)


def test_a_changed_letter_of_plain_data_is_refused(tmp_path):
    store = Store(tmp_path / "store")
    key = put(store)
    path = store.folder("state", key) / CONTENT
    path.write_bytes(path.read_bytes().replace(b"seed", b"sead"))
    with pytest.raises(PrunescopeError, match=r"content\.json: checksum differs.*doctor --repair"):
        store.read("state", key)


def test_a_foreign_artefact_is_refused(tmp_path):
    store = Store(tmp_path / "store")
    folder = store.folder("state", "abcd")
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text('["not a manifest"]')
    (store.root / "store.json").write_text('{"format": 1}')
    with pytest.raises(PrunescopeError, match="unreadable artefact"):
        store.read("state", "abcd")


def test_a_writer_killed_before_the_marker_was_there_does_no_harm(tmp_path):
    (tmp_path / ".store.json.0badcafe.tmp").write_text("{")
    assert not Store(tmp_path).has("state", "ab")
    put(Store(tmp_path))
    assert Store(tmp_path).leftovers()


def test_foreign_folders_and_newer_stores_are_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(PrunescopeError, match="not a prunescope store"):
        Store(tmp_path)
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "store.json").write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(PrunescopeError, match="newer prunescope"):
        Store(newer)
    (newer / "store.json").write_text("{")
    with pytest.raises(PrunescopeError, match="not a prunescope store"):
        Store(newer)


def test_a_store_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    put(store, 1)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("prunescope.study.store.save_file", full)
    with pytest.raises(PrunescopeError, match="No space left on device"):
        put(store, 2)
    assert store.leftovers() == []
    assert list(store.damaged()) == []


def test_failures_are_records_that_a_success_removes(tmp_path):
    store = Store(tmp_path / "store")
    key = fingerprint(0)
    assert store.journal.failure(key) is None
    store.journal.record_failure(key, "train", "diverged", "Traceback …")
    assert store.journal.failure(key)["message"] == "diverged"
    put(store)
    assert store.journal.failure(key) is None


def test_partial_states_come_back_and_damaged_ones_count_as_none(tmp_path):
    store = Store(tmp_path / "store")
    assert store.journal.load_partial("k") is None
    store.journal.save_partial("k", {"w": torch.ones(3)}, {"step": "4"})
    tensors, meta = store.journal.load_partial("k")
    assert torch.equal(tensors["w"], torch.ones(3))
    assert meta == {"step": "4"}
    path = store.root / "partial" / "k.safetensors"
    path.write_bytes(path.read_bytes()[:9])
    assert store.journal.load_partial("k") is None
    store.journal.finished("k")
    assert not path.exists()


def _write_many(root, numbers):
    for number in numbers:
        put(Store(root), number)


def test_two_processes_writing_the_same_keys_tear_nothing(tmp_path):
    root = tmp_path / "store"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(root, range(40))) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    health = examine(root)
    assert (health.artefacts, health.damaged, health.leftovers) == (40, (), 0)


def test_a_killed_writer_leaves_no_torn_artefact(tmp_path):
    root = tmp_path / "store"
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        writer = context.Process(target=_write_many, args=(root, range(attempt * 1000, attempt * 1000 + 1000)))
        writer.start()
        time.sleep(0.05 + 0.03 * attempt)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join(10)
    store = Store(root)
    assert list(store.damaged()) == []
    assert examine(root, repair=True).artefacts > 0
    assert store.leftovers() == []
    for folder in store.folders():
        assert store.read("state", folder.name).tensors["w"].numel() == 1000
