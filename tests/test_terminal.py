"""What is printed, whatever the console can show."""

import io
import os
import signal
import subprocess
import sys
import threading

import pytest
from rich.table import Table

from fast_style.terminal import LogLines, Stop, accept_any_text, ending_quietly, progress_bar, show, telling_errors


def written(monkeypatch, encoding: str, name: str = "stdout") -> io.BytesIO:
    """Let a stream of this encoding be the one that is written to, and return what it holds."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, name, io.TextIOWrapper(content, encoding=encoding, write_through=True, newline="\n"))
    accept_any_text()
    return content


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("ascii", "20 → 1.25 … 48×36, −1", b"20 -> 1.25 ... 48x36, -1\n"),
        ("cp1252", "é → 48×36 …", "é -> 48×36 …\n".encode("cp1252")),
        ("ascii", "é漢[red]", b"e?[red]\n"),
        ("utf-8", "é → 漢", "é → 漢\n".encode()),
        ("utf-8", b"\xff.jpg".decode("utf-8", "surrogateescape"), b"?.jpg\n"),
    ],
)
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_no_text_is_refused(monkeypatch, encoding, text, expected, name):
    content = written(monkeypatch, encoding, name)
    print(text, file=getattr(sys, name))
    assert content.getvalue() == expected


def test_without_a_console(monkeypatch):
    """As under pythonw."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    accept_any_text()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_values_in_a_table_stand_as_they_are(monkeypatch, encoding):
    """Neither markup, which may be wrong as well, nor names of emoji."""
    content = written(monkeypatch, encoding)
    values = ("[red]", "data.root=[/a/photos,/b]", "[/]", ":smile:", "a → b")
    table = Table(title="[bold]")
    table.add_column("[x]")
    for value in values:
        table.add_row(value)
    show(table)
    text = content.getvalue().decode(encoding)
    for value in ("[bold]", "[x]", *values[:-1], "a → b" if encoding == "utf-8" else "a -> b"):
        assert value in text


def test_a_table_in_a_log_is_wide(monkeypatch):
    content = written(monkeypatch, "utf-8")
    table = Table()
    table.add_column("network")
    table.add_row("a" * 140)
    show(table)
    assert "a" * 140 in content.getvalue().decode()


@pytest.mark.parametrize("columns", [None, 40])
def test_no_column_of_a_table_is_lost(monkeypatch, columns):
    """In a log all stand beside one another, on a narrow terminal one below the other."""
    content = written(monkeypatch, "utf-8")
    if columns is not None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
    table = Table("", *(f"a distance {number}" for number in range(20)), title="distances")
    for name in ("network", "identity"):
        table.add_row(name, *(f"{name[0]}{number}.000" for number in range(20)))
    show(table)
    text = content.getvalue().decode()
    assert "…" not in text
    for number in range(20):
        (line,) = (line for line in text.splitlines() if f"n{number}.000" in line)
        assert (f"i{number}.000" in line) == (columns is not None)
        assert f"a distance {number} " in (text if columns is None else line)
        assert len(line) <= (columns or len(line))


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ValueError("no\nsuch → style"), 2, "error: no such → style\n"),
        (FileNotFoundError("there is none"), 2, "error: there is none\n"),
        (RuntimeError("no kernel"), 1, "error: no kernel\n"),
        (MemoryError(), 1, "error: MemoryError\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_errors_are_told_in_one_line(capsys, error, code, sentence):
    with pytest.raises(SystemExit, match=f"^{code}$"), telling_errors():
        raise error
    assert capsys.readouterr() == ("", sentence)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand, in seconds."""
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    return clock


def test_progress_in_a_log_is_a_line_now_and_then(capsys, clock):
    with progress_bar("stylizing") as progress:
        for seconds in range(70):
            clock[0] = 100.0 + seconds
            progress(seconds, 240)
    assert capsys.readouterr() == (
        "",
        "stylizing: 3 of 240, 1 images/s, about 4 min left\n"
        "stylizing: 33 of 240, 1 images/s, about 4 min left\n"
        "stylizing: 63 of 240, 1 images/s, about 3 min left\n",
    )


def test_what_was_done_before_counts_for_no_rate(clock, capsys):
    with progress_bar("stylizing", "frames") as progress:
        for seconds in range(1, 6):
            clock[0] = 100.0 + seconds
            progress(9600 + seconds, 10_000)
    assert capsys.readouterr().err == "stylizing: 9603 of 10000, 1 frames/s, about 7 min left\n"


def test_lines_in_a_log_as_often_as_wanted(clock):
    lines = LogLines(every=1)
    due = []
    for tenths in range(31):
        clock[0] = 100.0 + tenths / 10
        due += [tenths] * lines.due()
    assert due == [10, 20, 30]


def test_ctrl_c_once_and_twice(capsys):
    stop, before = Stop(), signal.getsignal(signal.SIGINT)
    with stop.listening():
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
        signal.raise_signal(signal.SIGINT)  # nothing may be given up here
        with pytest.raises(KeyboardInterrupt, match=r"^$"), stop.interruptible():
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err == "stopping after what is at hand; Ctrl-C again gives it up\n"


def test_in_a_thread_ctrl_c_stays_as_it_is():
    stop, found = Stop(), []

    def listen():
        with stop.listening():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join(20)
    assert found == [signal.getsignal(signal.SIGINT)]


def test_ctrl_c_while_a_command_is_imported(capsys):
    with pytest.raises(SystemExit, match="130"), ending_quietly():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "interrupted\n"
    with pytest.raises(SystemExit, match="3"), ending_quietly():
        sys.exit(3)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["stylize", "--list-styles"],
        pytest.param(["train", "style=mosaic", "--cfg", "job"], marks=pytest.mark.slow),
    ],
)
def test_nobody_reads_what_is_printed(root, words):
    """As after `| head`, which has closed the pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "fast_style", *words]
    done = subprocess.run(command, cwd=root, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
