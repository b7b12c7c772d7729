"""A model is fetched once, whole, and its hashes say what was fetched."""

import json
import os
import shutil

import huggingface_hub
import pytest

from tests.model.conftest import BASE
from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.files import read_json, sha256
from workflow_scripts.model.fetch import fetch
from workflow_scripts.model.manifest import MANIFEST, verify_model
from workflow_scripts.model.store import create_base_model, save_model
from workflow_scripts.settings.model import Hub

SOURCE = {"repository": "a/b", "revision": "0" * 40}
HUB = Hub(**SOURCE)


@pytest.fixture
def source(tokenizer, tmp_path):
    folder = tmp_path / "source"
    save_model(create_base_model(BASE, tokenizer), tokenizer, folder)
    (folder / MANIFEST).unlink()  # the hub has none
    (folder / "weights.bin").write_text("no safetensors")
    return folder


def fetched(source, tmp_path):
    manifest = tmp_path / "hub/model" / MANIFEST
    fetch(HUB.model_copy(update={"folder": str(source)}), manifest)
    return manifest


def test_a_model_comes_from_a_folder_with_its_hashes(source, tmp_path):
    manifest = fetched(source, tmp_path)
    files = verify_model(manifest.parent)
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= set(files)
    assert "weights.bin" not in files
    assert all(sha256(source / name) == digest for name, digest in files.items())
    assert read_json(manifest)["source"] == {"folder": str(source)}


def test_what_was_there_before_is_gone(source, tmp_path):
    manifest = fetched(source, tmp_path)
    (manifest.parent / "old.json").write_text("{}")
    fetched(source, tmp_path)
    assert not (manifest.parent / "old.json").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_holds_no_model_is_refused(source, tmp_path, name):
    (source / name).unlink()
    with pytest.raises(StudyError, match=r"source holds no .*: not a model"):
        fetched(source, tmp_path)
    assert not (tmp_path / "hub/model" / MANIFEST).exists()


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_model_that_differs_from_its_own_manifest_is_refused(source, tmp_path, damage):
    names = ("config.json", "tokenizer.json", "model.safetensors")
    files = {name: sha256(source / name) for name in names}
    (source / MANIFEST).write_text(json.dumps({"files": files}))
    weights = source / "model.safetensors"
    if damage == "altered":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    else:
        weights.unlink()
    told = "differs from its hash" if damage == "altered" else "is missing"
    with pytest.raises(StudyError, match=f"model.safetensors {told}"):
        fetched(source, tmp_path)


@pytest.mark.parametrize("way", ["..", "a link", "an absolute path"])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(source, tmp_path, way):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    name = {"..": "../secret.json", "a link": "link.json"}.get(way, str(secret))
    if way == "a link":
        (source / name).symlink_to(secret)
    (source / MANIFEST).write_text(json.dumps({"files": {name: sha256(secret)}}))
    with pytest.raises(StudyError, match=f"leads out of {source}"):
        fetched(source, tmp_path)
    assert not (tmp_path / "hub").exists()


def test_the_hub_is_asked_for_the_pinned_revision_by_this_program_alone(
    source, tmp_path, monkeypatch
):
    def snapshot_download(repository, revision, local_dir, allow_patterns):
        assert (repository, revision) == (HUB.repository, HUB.revision)
        assert os.environ["HF_HUB_OFFLINE"] == "0"
        shutil.copytree(source, local_dir, ignore=shutil.ignore_patterns("*.bin"))
        (local_dir / ".cache").mkdir()

    assert huggingface_hub.constants.HF_HUB_OFFLINE, "other programs are offline"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    manifest = tmp_path / "hub/model" / MANIFEST
    fetch(HUB, manifest)
    assert verify_model(manifest.parent)
    assert read_json(manifest)["source"] == SOURCE
