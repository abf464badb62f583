# SPDX-License-Identifier: BSD-3-Clause
"""The magics with the real runtime and the sample image, in a real kernel."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import Kernel, running_kernel

SAMPLE = Path(__file__).parents[2] / "examples" / "images" / "sample.sif"
#: Found again among this machine's processes, whatever number the container gives them.
MARK = f"nbcontainer-test-{os.getpid()}"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    assert SAMPLE.is_file(), "node scripts/sample-image.mjs comes first"
    folder = tmp_path_factory.mktemp("a folder, 'odd'")
    (folder / "image é.sif").symlink_to(SAMPLE)
    (folder / "text.sif").write_text("not an image")
    with running_kernel(cwd=folder, XDG_STATE_HOME=str(folder)) as kernel:
        kernel.run("image = 'image é.sif'")
        yield kernel


def marked() -> list[str]:
    """Command lines with MARK in them, of this machine's processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if MARK in line and "ipykernel" not in line:
            found.append(line)
    return found


def until_none_marked(seconds: float = 10) -> list[str]:
    deadline = time.monotonic() + seconds
    while marked() and time.monotonic() < deadline:
        time.sleep(0.05)
    return marked()


def test_a_shell_cell_runs_in_the_image(kernel: Kernel) -> None:
    run = kernel.run('%%container exec --env "X=it\'s" {image} a\\ b\necho "$1 $X $SAMPLE"; cat', timeout=120)
    assert not run.of("error")
    assert run.text() == "a b it's made from Debian packages\n"


def test_a_python_cell_has_the_images_python_and_our_directory(kernel: Kernel) -> None:
    kernel.run("open('beside.py', 'w').write('value = 41')")
    run = kernel.run(
        "%%container exec --python {image}\nimport beside, os\nprint(beside.value + 1, 'SAMPLE' in os.environ)"
    )
    assert (run.text(), run.of("error")) == ("42 True\n", [])


def test_the_cell_is_bound_read_only_and_leaves_nothing(kernel: Kernel) -> None:
    run = kernel.run('%%container exec --no-raise {image}\necho "$0"; echo x > "$0"')
    cell = run.text().strip()
    assert cell.endswith("/cell.sh")
    assert "Read-only file system" in run.text("stderr") or "Permission denied" in run.text("stderr")
    assert not Path(cell).parent.exists()


def test_the_status_of_the_program_is_the_status(kernel: Kernel) -> None:
    (error,) = kernel.run("%container exec {image} sh -c 'exit 42'").of("error")
    assert (error["ename"], error["evalue"]) == ("ContainerExit", "exit status 42")


def test_stop_ends_everything_in_the_container(kernel: Kernel) -> None:
    seen: list[str] = []

    def stop() -> None:
        seen.extend(marked())
        kernel.manager.interrupt_kernel()

    background = f"(sleep 101; : {MARK}) &\nsetsid sh -c 'sleep 102; : {MARK}' &\n"
    run = kernel.run(
        f"%%container exec {{image}} {MARK}\n{background}sleep 0.3\necho up\nwait", {"up": stop}, timeout=60
    )
    assert run.of("error")[0]["ename"] == "ContainerInterrupt"
    # The subshell and the one that left its session, beside the script itself and the command line.
    assert len(seen) >= 4
    assert until_none_marked() == []


def test_a_python_program_sees_keyboard_interrupt(kernel: Kernel) -> None:
    cell = (
        "%%container exec --python {image}\nimport time\nprint('up')\ntry:\n    time.sleep(100)\n"
        "except KeyboardInterrupt:\n    print('stopped cleanly')\n"
    )
    run = kernel.run(cell, {"up": kernel.manager.interrupt_kernel}, timeout=60)
    assert "stopped cleanly" in run.text()


@pytest.mark.parametrize(
    "image", ["nowhere.sif", "text.sif", "'no such\\nimage.sif'", "docker://registry.invalid/x", "https://"]
)
def test_a_bad_image_is_one_sentence_with_status_255(kernel: Kernel, image: str) -> None:
    run = kernel.run(f"%%container exec {image}\nls", timeout=90)
    (error,) = run.of("error")
    assert error["evalue"].startswith("exit status 255")
    said = [line for line in run.text("stderr").splitlines() if not line.startswith("INFO:")]
    assert len(said) == 1
    assert said[0].startswith("FATAL:")


def test_help_is_that_of_the_command_line_and_ours(kernel: Kernel) -> None:
    text = kernel.run("%container --help").text()
    assert "doctor" in text
    assert "--no-raise" in text
    text = kernel.run("%container exec --help").text()
    assert "--bind" in text
    assert "--python" in text


def test_doctor_and_version(kernel: Kernel) -> None:
    assert "namespace" in kernel.run("%container doctor --report", timeout=60).text()
    assert kernel.run("%container version").text().count(".") == 2
