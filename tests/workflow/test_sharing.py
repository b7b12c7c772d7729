"""Published, cloned, restored: no job starts, and after a change only those that it concerns."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.conftest import Project
from workflow_scripts.common.files import read_json
from workflow_scripts.operate.sharing import manifest_path

pytestmark = pytest.mark.slow


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def succeed(result: subprocess.CompletedProcess) -> str:
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def origin(smoke, tmp_path_factory) -> Project:
    """A repository whose smoke tier is finished."""
    folder = tmp_path_factory.mktemp("origin") / "project"
    shutil.copytree(smoke.folder, folder, symlinks=True)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The study")
    return Project(folder)


@pytest.fixture(scope="module")
def bucket():
    """A bucket of a real S3 server on this machine."""
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="study")
        yield "s3://study/runs"
    server.stop()


def publish(origin: Project, remote: str) -> None:
    succeed(origin.python("operate.sharing", "publish", "--tier", "smoke", "--remote", remote))
    git(origin.folder, "add", ".dvc", "data/smoke.dvc", "results/smoke.dvc")
    git(origin.folder, "add", manifest_path("smoke").as_posix())
    git(origin.folder, "commit", "--quiet", "--allow-empty", "--message", f"Publish to {remote}")


def clone(origin: Project, folder: Path) -> Project:
    git(folder.parent, "clone", "--quiet", str(origin.folder), str(folder))
    assert not (folder / "results/smoke").exists()
    return Project(folder)


@pytest.fixture(scope="module")
def folder_remote(origin, tmp_path_factory) -> Path:
    remote = tmp_path_factory.mktemp("remote")
    publish(origin, str(remote))
    return remote


@pytest.fixture
def restored(origin, folder_remote, tmp_path) -> Project:
    project = clone(origin, tmp_path / "clone")
    succeed(project.python("operate.sharing", "restore", "--tier", "smoke"))
    return project


def planned(project: Project, *config: str) -> str:
    arguments = ["--config", *config] if config else []
    return succeed(project.snakemake("all", "--dry-run", *arguments))


def test_publishing_starts_no_job_of_the_publisher(origin, folder_remote):
    assert "Nothing to be done" in planned(origin)


def test_a_restored_clone_starts_no_job_and_holds_what_was_published(restored, origin):
    assert "Nothing to be done" in planned(restored)
    for path in read_json(origin.folder / manifest_path("smoke")):
        assert (restored.folder / path).read_bytes() == (origin.folder / path).read_bytes()


def test_after_a_changed_key_exactly_the_affected_jobs_start(restored, origin):
    change = "statistics={confidence: 0.9}"
    here, there = (
        set(re.findall(r"^Job \d+: (.*)", planned(project, change), re.MULTILINE))
        for project in (restored, origin)
    )
    assert here == there
    assert any("claims" in job for job in here)
    assert not any(job.startswith(("SFT", "RL", "Sample")) for job in here)


def test_figures_are_redrawn_without_torch(restored):
    for package in ("torch", "transformers", "trl"):
        blocked = restored.folder / package / "__init__.py"
        blocked.parent.mkdir()
        blocked.write_text(f"raise ImportError('{package} is not installed')\n")
    assert restored.run(sys.executable, "-m", "workflow_scripts.train.sft", "--help").returncode
    figure = restored.folder / "results/smoke/figures/routing.png"
    style = restored.folder / "workflow_scripts/report/style.py"
    style.write_text(style.read_text() + "\n_CHANGED = True\n")
    before = figure.stat().st_mtime_ns
    succeed(restored.snakemake("fig_routing", "--cores", "1"))
    assert figure.stat().st_mtime_ns > before
    assert "Nothing to be done" in succeed(restored.snakemake("fig_routing", "--dry-run"))


def test_an_altered_object_is_refused_by_name(origin, tmp_path, folder_remote):
    weights = "results/smoke/rl/FB-s0-rl6-9/model/model.safetensors"
    size = (origin.folder / weights).stat().st_size
    content = (origin.folder / weights).read_bytes()
    (stored,) = (
        path
        for path in folder_remote.rglob("*")
        if path.is_file() and path.stat().st_size == size and path.read_bytes() == content
    )
    project = clone(origin, tmp_path / "clone")
    stored.chmod(0o644)
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        refused = project.python("operate.sharing", "restore", "--tier", "smoke")
    finally:
        stored.write_bytes(content)
    assert refused.returncode == 1
    assert f"{weights} differs from its hash" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (project.folder / "results/smoke").exists()
    succeed(project.python("operate.sharing", "restore", "--tier", "smoke"))
    assert "Nothing to be done" in planned(project)


def test_a_list_of_files_that_leads_elsewhere_is_refused_before_anything_is_written(
    origin, tmp_path, folder_remote
):
    """A remote names the files of a folder itself; git knows which there are."""
    project = clone(origin, tmp_path / "clone")
    pointer = project.folder / "results/smoke.dvc"
    listing = yaml.safe_load(pointer.read_text())["outs"][0]["md5"]
    stored = folder_remote / "files/md5" / listing[:2] / listing[2:]
    entries = json.loads(stored.read_text())
    makefile = (project.folder / "Makefile").read_text()
    planted = hashlib.md5(b"all:\n\ttouch run\n").hexdigest()
    target = folder_remote / "files/md5" / planted[:2] / planted[2:]
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"all:\n\ttouch run\n")
    for name in ("../../Makefile", "rl/FB-s0/scratch/x", "tables/x.tmp", "/tmp/x", "more.md"):
        altered = json.dumps([*entries, {"md5": planted, "relpath": name}])
        digest = hashlib.md5(altered.encode()).hexdigest()
        place = folder_remote / "files/md5" / digest[:2] / f"{digest[2:]}.dir"
        place.parent.mkdir(exist_ok=True)
        place.write_text(altered)
        pointer.write_text(pointer.read_text().replace(listing, f"{digest}.dir"))
        refused = project.python("operate.sharing", "restore", "--tier", "smoke")
        assert refused.returncode == 1
        assert f"results/smoke/{name} was not published" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not (project.folder / "results/smoke").exists()
        assert not (project.folder / "data/smoke").exists()
        assert (project.folder / "Makefile").read_text() == makefile
        listing = f"{digest}.dir"


def test_a_tier_behind_a_symbolic_link_is_not_restored(origin, tmp_path, folder_remote):
    project = clone(origin, tmp_path / "clone")
    (tmp_path / "elsewhere").mkdir()
    (project.folder / "results/smoke").symlink_to(tmp_path / "elsewhere")
    refused = project.python("operate.sharing", "restore", "--tier", "smoke")
    assert refused.returncode == 1
    assert "results/smoke is a symbolic link" in refused.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_was_never_published_is_told(project):
    refused = project.python("operate.sharing", "restore", "--tier", "smoke")
    assert refused.returncode == 1
    assert "the tier smoke was not published in it" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_remote_that_is_gone_is_told(origin, tmp_path, folder_remote):
    project = clone(origin, tmp_path / "clone")
    away = folder_remote.with_name("away")
    folder_remote.rename(away)
    try:
        refused = project.python("operate.sharing", "restore", "--tier", "smoke")
    finally:
        away.rename(folder_remote)
    assert refused.returncode == 1
    assert "data/smoke is not on the remote of .dvc/config" in refused.stderr
    assert not (project.folder / "results/smoke").exists()


def test_an_interrupted_restore_is_refused_and_begun_anew(origin, tmp_path, folder_remote):
    project = clone(origin, tmp_path / "clone")
    command = ["-m", "workflow_scripts.operate.sharing", "restore", "--tier", "smoke"]
    process = subprocess.Popen([sys.executable, *command], cwd=project.folder)
    while not any((project.folder / "data/smoke").glob("*/*")):
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    refused = project.snakemake("all", "--cores", "1")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "error: results/smoke is restored in part: make restore TIER=smoke"
    )
    succeed(project.python("operate.sharing", "restore", "--tier", "smoke"))
    assert "Nothing to be done" in planned(project)


def test_s3_serves_as_a_folder_does(origin, bucket, folder_remote, tmp_path):
    publish(origin, bucket)
    try:
        project = clone(origin, tmp_path / "clone")
        succeed(project.python("operate.sharing", "restore", "--tier", "smoke"))
        assert "Nothing to be done" in planned(project)
    finally:
        publish(origin, str(folder_remote))


def test_what_is_there_is_not_overwritten(restored):
    refused = restored.python("operate.sharing", "restore", "--tier", "smoke")
    assert refused.returncode == 1
    assert "data/smoke holds something already" in refused.stderr


def test_two_commits_are_compared(origin, folder_remote):
    """dvc.yaml names the metrics, parameters and figures of the recorded laptop tier."""
    estimates = origin.folder / "results/reference/laptop/estimates.json"
    figure = next((origin.folder / "results/reference/laptop/figures").glob("*.png"))
    config = origin.folder / "config/default.yaml"
    before = {path: path.read_bytes() for path in (estimates, figure, config)}
    try:
        estimates.write_text(estimates.read_text().replace("0.9", "0.8", 1))
        config.write_text(
            config.read_text().replace("learning_rate: 1.0e-4", "learning_rate: 7e-5")
        )
        figure.write_bytes(before[figure] + b" ")
        for kind, expected in (("metrics", "0.8"), ("params", "7e-05"), ("plots", figure.name)):
            command = ["-m", "dvc", kind, "diff", *(["--json"] if kind == "plots" else [])]
            told = succeed(origin.run(sys.executable, *command))
            assert expected in told, kind
    finally:
        for path, content in before.items():
            path.write_bytes(content)
