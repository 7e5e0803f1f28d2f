"""Running commands."""

import shlex
import subprocess

__all__ = ["quote_unix", "quote_windows", "run_command"]


def quote_unix(value):
    """``value`` as one word of a shell."""
    return shlex.quote(str(value))


def quote_windows(value):
    """``value`` as one argument on Windows."""
    return subprocess.list2cmdline([str(value)])


def run_command(
    cmd,
    stdin=None,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    shell=False,
    cwd=None,
    env=None,
    timeout=60,
    **_more,
):
    """Run ``cmd``: (exit code, stdout, stderr, timed out)."""
    child = subprocess.Popen(  # the pack decides whether it wants a shell
        cmd, stdin=stdin, stdout=stdout, stderr=stderr, shell=shell, cwd=cwd, env=env, text=True
    )
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        return -9, out, err, True
    return child.returncode, out, err, False
