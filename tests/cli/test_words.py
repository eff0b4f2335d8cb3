"""Words of the training command that are no settings."""

import re

import pytest

from fast_style.cli.config import compose
from fast_style.cli.parsers.train import help_text
from fast_style.cli.resolvers import register_resolvers
from fast_style.cli.words import check_words


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mosaic"], "mosaic is a value without its setting: give style=mosaic"),
        (["mosiac"], "mosiac is no setting: did you mean style=mosaic?"),
        (["xyz"], "xyz is no setting: settings are given as SETTING=VALUE, such as style=mosaic"),
        (["--style", "mosaic"], "there is no option --style: settings have no dashes, give style=mosaic"),
        (["-m", "--style=mosaic"], "there is no option --style: settings have no dashes, give style=mosaic"),
        (["style=mosaic", "--max-steps", "5"], "settings have no dashes, give max_steps=5"),
        (["trainer.max_steps", "5"], "trainer.max_steps has no value: give trainer.max_steps=VALUE"),
        (["--overwrite", "style=mosaic"], "settings have no dashes, give overwrite=VALUE"),
        (["painting.jpg"], "there is no file painting.jpg; a painting is given as style=FILE"),
        (["style"], "style has no value: give style=VALUE"),
    ],
)
def test_what_is_no_setting_is_refused(words, sentence):
    with pytest.raises(ValueError, match=f"{re.escape(sentence)}$"):
        check_words(words)


def test_a_file_alone_is_a_style(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ValueError, match=rf"give style={tmp_path / 'a.jpg'}"):
        check_words([str(tmp_path / "a.jpg")])


def test_settings_and_options_of_hydra_pass():
    check_words(["style=mosaic", "-m", "~callbacks.pictures", "+a.b=3", "--cfg", "job", "--multi", "--info", "all"])
    check_words(["--config-dir=/a", "-cn", "train", "data.root=a b"])


def test_the_help_gives_settings_that_there_are():
    """Each example can be given, and all groups are listed."""
    register_resolvers()
    text = help_text("train.py")
    examples = dict(re.findall(r"^  ([\w.]+)=(\S+)  ", text, re.MULTILINE))
    assert {"style", "data.root", "trainer.max_time", "loss.style_weight"} <= set(examples)
    given = [f"{name}={value}" for name, value in examples.items() if name != "hydra.run.dir"]
    compose("train", [*given, "trainer.default_root_dir=runs"])
    assert re.search(r"^  loss +covariance, deep, ", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120
