"""One finished miniature for all tests of a run; each test changes a copy of its own."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import miniature
import pytest


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A miniature after one complete run, made once for all workers. Never change it."""
    top = tmp_path_factory.getbasetemp()
    top = top if worker_id == "master" else top.parent
    folder = top / "miniature"
    with open(top / "miniature.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "reports/digits/audit.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            miniature.make(folder)
            miniature.snakemake(folder)
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A finished miniature of the test's own, ages of files kept."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    shutil.rmtree(folder / ".snakemake/locks", ignore_errors=True)
    return folder


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Replace a text in a file; the text must be there."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text, f"{path} does not contain {old!r}"
        path.write_text(text.replace(old, new))

    return replace
