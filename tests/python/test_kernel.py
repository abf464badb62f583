# SPDX-License-Identifier: BSD-3-Clause
"""The magics in a real kernel: what only shows over its sockets (streaming, progress, Stop, floods)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import Kernel, running_kernel, until_gone

FAKE = Path(__file__).with_name("fake_runtime.mjs")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    state = str(tmp_path_factory.mktemp("state"))
    with running_kernel(NBCONTAINER_RUNTIME=str(FAKE), XDG_STATE_HOME=state) as kernel:
        yield kernel


def test_output_comes_while_the_cell_runs(kernel: Kernel) -> None:
    run = kernel.run("%%container exec IMAGE\necho first; sleep 1; echo second >&2")
    assert run.text("stderr") == "second\n"
    assert run.when("second") - run.when("first") > 0.7


def test_pull_shows_one_bar_that_moves(kernel: Kernel) -> None:
    run = kernel.run("%container pull x")
    first, *_ = run.of("display_data")
    updates = run.of("update_display_data")
    assert first["data"]["text/plain"] == "Downloading 1.0 MB of 4.0 MB (abc)"
    assert [update["data"]["text/plain"] for update in updates] == ["Downloading 4.0 MB of 4.0 MB (abc)", "Done."]
    assert {update["transient"]["display_id"] for update in updates} == {first["transient"]["display_id"]}
    assert run.text("stderr") == 'INFO:    pulling\n{"not": "progress"}\n'


def test_a_failure_is_an_error_message_of_one_line(kernel: Kernel) -> None:
    (error,) = kernel.run("%%container exec IMAGE\nexit 3").of("error")
    assert (error["ename"], error["evalue"]) == ("ContainerExit", "exit status 3")
    assert len(error["traceback"]) == 1


def test_stop_interrupts_the_program_and_its_children(kernel: Kernel) -> None:
    cell = "%%container exec IMAGE\ntrap 'echo cleaned; exit 5' INT; sleep 100 & echo pids $$ $!; wait; echo not here"
    run = kernel.run(cell, {"pids": kernel.manager.interrupt_kernel})
    (error,) = run.of("error")
    assert error["ename"] == "ContainerInterrupt"
    assert "exit status 5" in error["evalue"]
    lines = run.text().splitlines()
    assert "cleaned" in lines
    assert "not here" not in lines
    assert until_gone([int(word) for word in lines[0].split()[1:]]) == []
    # The kernel itself is unharmed, and so is its way to be interrupted.
    assert kernel.run("print(6 * 7)").text() == "42\n"
    again = kernel.run("import time\nprint('go', flush=True)\ntime.sleep(60)", {"go": kernel.manager.interrupt_kernel})
    assert again.of("error")[0]["ename"] == "KeyboardInterrupt"


def test_a_program_that_does_not_listen_is_ended_by_the_second_stop(kernel: Kernel) -> None:
    def twice() -> None:
        kernel.manager.interrupt_kernel()
        time.sleep(0.5)
        kernel.manager.interrupt_kernel()

    cell = "%%container exec IMAGE\ntrap '' INT TERM; sleep 100 & echo pids $$ $!; while :; do sleep 0.1; done"
    began = time.monotonic()
    run = kernel.run(cell, {"pids": twice})
    assert time.monotonic() - began < 8
    assert run.of("error")[0]["ename"] == "ContainerInterrupt"
    assert until_gone([int(word) for word in run.text().split()[1:3]]) == []


def test_nothing_outlives_a_cell_that_ends_by_itself(kernel: Kernel) -> None:
    began = time.monotonic()
    run = kernel.run("%%container exec IMAGE\nsleep 100 & echo pid $!")
    assert time.monotonic() - began < 5
    assert until_gone([int(run.text().split()[1])]) == []


def test_a_flood_is_cut_and_the_log_has_it_all(kernel: Kernel) -> None:
    run = kernel.run("%%container exec IMAGE\nseq 1 2000000")
    assert not run.of("error")
    text = run.text()
    assert text.startswith("1\n2\n3\n")
    assert "\n2000000\n" in text
    assert len(text) < 1.5e6
    # Jupyter's own limit: 1 MB a second over 3 seconds, and 1000 messages a second.
    assert len(run.of("stream")) < 200
    log = Path(run.text("stderr").split("all of it is in ")[1].rstrip("]\n"))
    assert log.read_text().splitlines()[-1] == "2000000"
    assert log.stat().st_size == sum(len(str(n)) + 1 for n in range(1, 2_000_001))


def test_a_killed_kernel_takes_the_container_with_it() -> None:
    with running_kernel(NBCONTAINER_RUNTIME=str(FAKE)) as kernel:
        pid = int(kernel.run("import os; print(os.getpid())").text())
        request = kernel.client.execute("%container exec IMAGE sh -c 'echo pids $PPID; exec sleep 100'")
        while True:
            message = kernel.client.get_iopub_msg(timeout=20)
            if message["parent_header"].get("msg_id") == request and message["msg_type"] == "stream":
                break
        runtime = int(message["content"]["text"].split()[1])
        os.kill(pid, signal.SIGKILL)
        assert until_gone([runtime]) == []
