"""What commands print where the console has few letters, and values that look like markup."""

import io
import sys

import pytest

from fast_style.cli.multirun import record, report

ENCODINGS = ["cp1252", "ascii"]
VALUES = ("data.root=[/a/photos,/b]", "loss.style_layers=[relu1_2]", "style=[/]", "style=:cat:")


def write_to(monkeypatch, encoding: str) -> io.BytesIO:
    """Give this process a standard output of an encoding, and return what it holds."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding=encoding, write_through=True, newline="\n"))
    return content


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_training_ends_with_all_it_has_to_say(tiny, train, tmp_path, monkeypatch, encoding):
    content = write_to(monkeypatch, encoding)
    assert train(tiny | {"trainer.max_steps": "1"}) == 0
    assert (tmp_path / "out.png").is_file()  # written after what could not be printed
    printed = content.getvalue().decode(encoding)
    assert "held-out objective" in printed
    assert " -> " in printed
    assert "next: " in printed


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8"])
def test_the_table_of_several_trainings_shows_values_as_they_are(tmp_path, monkeypatch, encoding):
    for name in VALUES:
        run = {"before": {}, "after": {}, "seconds": 1.0, "output": "[red].st"}
        record(tmp_path / str(VALUES.index(name)), name, lambda run=run: run)
    content = write_to(monkeypatch, encoding)
    assert report(tmp_path) == 0
    printed = content.getvalue().decode(encoding)
    for text in (*VALUES, "[red].st"):
        assert text in printed
