"""A process that gets too little of the system: one line and its exit code, no traceback."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys

import pytest

from harness.exhausted import exhausted


def limited(folder, which, most, *arguments):
    """The command where the system's limit ``which`` is ``most``."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(which, (most, most)),
    )


def test_too_little_memory_for_torch(kept_run):
    done = limited(kept_run.parent, resource.RLIMIT_AS, 1_500_000_000, "verify", "--db", kept_run)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: there is not enough memory; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("most", [8, 10, 12, 14])
def test_too_few_file_descriptors(kept_run, tmp_path, most):
    done = limited(tmp_path, resource.RLIMIT_NOFILE, most, "merge", kept_run, "--db", "new.db")
    assert done.returncode in (0, 3, 5), done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "x", "a.py"), "a.py: too few files may be open at a time"),
        (OSError(errno.ENOSPC, "x", "b.bin"), "b.bin: the disk is full"),
        (OSError(errno.ENOMEM, "x"), "there is not enough memory"),
        (MemoryError(), "there is not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
         "there is not enough memory"),
    ],
)  # fmt: skip
def test_what_the_system_refuses(error, said):
    assert str(exhausted(error)).startswith(said)


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "x"), RuntimeError("a bug")])
def test_other_errors_are_none_of_it(error):
    assert exhausted(error) is None
