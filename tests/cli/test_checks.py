"""Settings of a wrong type, range or name are told in one sentence before anything is built."""

import pytest
from omegaconf import OmegaConf

from fast_style.cli.checks import check_end, check_settings
from fast_style.cli.config import build, compose
from fast_style.cli.errors import Exit, in_one_sentence
from fast_style.cli.resolvers import register_resolvers
from fast_style.networks import TransformerNetwork

NETWORK = {"_target_": "fast_style.networks.TransformerNetwork"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"seed": "abc"}, "seed must be a whole number, got abc"),
        ({"overwrite": "maybe"}, "overwrite must be true or false, got maybe"),
        ({"model": {"network": NETWORK | {"width": 3.5}}}, "model.network.width must be a whole number, got 3.5"),
        ({"model": {"network": NETWORK | {"width": [3]}}}, r"model.network.width must be a whole number, got \[3\]"),
        ({"model": {"network": NETWORK | {"antialias": 1}}}, "model.network.antialias must be true or false, got 1"),
        (
            {"loss": {"_target_": "fast_style.losses.PerceptualLoss", "style_layers": {"relu1_1": "x"}}},
            "loss.style_layers.relu1_1 must be a number, got x",
        ),
        ({"model": NETWORK | {"norm": 1}}, "model.norm must be a text, got 1"),
        ({"x": {"_target_": "torch.optim.Adam", "lr": "fast"}}, "x.lr must be a number, got fast"),
        (
            {"trainer": {"_target_": "fast_style.training.Trainer", "max_epochs": "5x"}},
            "trainer.max_epochs must be a whole number or null, got 5x",
        ),
    ],
)
def test_types(settings, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        check_settings(OmegaConf.create(settings))


def test_what_fits_passes():
    network = NETWORK | {"width": "${seed}", "blocks": 1, "antialias": True}
    settings = {
        "seed": 1,
        "model": {"network": network, "anything": "x"},
        "other": {"_target_": "no.such.thing", "a": 1},
    }
    settings["trainer"] = {"_target_": "fast_style.training.Trainer", "max_time": {"seconds": 1.5}, "devices": "auto"}
    check_settings(OmegaConf.create(settings))
    assert isinstance(build(OmegaConf.create(network | {"width": 4})), TransformerNetwork)


def test_a_range_is_told_with_the_whole_name():
    config = OmegaConf.create({"model": {"network": NETWORK | {"width": 0}}})
    with pytest.raises(ValueError, match=r"^model\.network\.width must be 1 to 512 channels, got 0$"):
        build(config.model)


@pytest.mark.parametrize("loss", ["gram", "jcjohnson"])
@pytest.mark.parametrize(
    ("given", "layers"),
    [("{relu1_1: 1, relu2_1: 2}", {"relu1_1": 1, "relu2_1": 2}), ("[relu1_1]", ["relu1_1"]), ("relu1_1", "relu1_1")],
)
def test_layers_are_replaced(loss, given, layers):
    assert compose("losses", [f"loss={loss}", f"loss.style_layers={given}"]).loss.style_layers == layers


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("trainer.max_step=5", "there is no setting trainer.max_step: did you mean trainer.max_steps?"),
        ("sead=5", "there is no setting sead: did you mean seed?"),
        ("data.size=64px", "data.size must be a whole number, got 64px"),
        ("loss.style_weight=five", "loss.style_weight must be a number, got five"),
        ("loss.style_weight=-1", "loss.style_weight must not be negative, got -1"),
        ("data.batch_size=0", "data.batch_size must be at least 1, got 0"),
        ("seed=-1", "seed must be 0 to 4294967295, got -1"),
        ("trainer.max_steps=0", "trainer.max_steps must be at least 1, or -1 for no limit, got 0"),
        ("trainer.max_epochs=0", "trainer.max_epochs must be at least 1, or -1 for no limit, got 0"),
        ("trainer.log_every_n_steps=0", "trainer.log_every_n_steps must be at least 1, got 0"),
        (
            "trainer.val_check_interval=0",
            "trainer.val_check_interval must be more than 0, a large number for never, got 0",
        ),
        ("+trainer.limit_val_batches=0", "trainer.limit_val_batches must be more than 0, got 0"),
        ("trainer.limit_train_batches=0", "trainer.limit_train_batches must be more than 0, got 0"),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches must be at least 1, got 0"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val must be at least 0, which is none, got -1"),
    ],
)
def test_the_command_says_it(setting, sentence, tiny, train, capsys):
    assert train(tiny, setting) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("+model.network.foo=1", "there is no setting model.network.foo; there are width, blocks, norm, "),
        ("+network.widht=1", "there is no setting model.network.widht: did you mean model.network.width?"),
        ("train_only=style", "there is no setting train_only: did you mean model.train_only, of model=multi_style?"),
        (
            "model.negatives=[grey]",
            "there is no setting model.negatives, which model=adversarial or adversarial_multi_style has: "
            "give that as well",
        ),
        (
            "model=multi_style style.image=a.jpg",
            "there is no setting style.image, which style=custom has: give that as well",
        ),
        ("negatives=[grey]", "there is no setting negatives: did you mean model.negatives, of model=adversarial or "),
        ("max_steps=9", "there is no setting max_steps: did you mean trainer.max_steps?"),
        ("loss=gramm", "there is no loss=gramm (did you mean gram?): give one of covariance, deep, "),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(setting, sentence, capsys):
    register_resolvers()
    with pytest.raises(Exit), in_one_sentence(show_traceback=False):
        compose("train", [*setting.split(), "output=out.safetensors", "trainer.default_root_dir=runs"])
    assert capsys.readouterr().err.startswith(f"error: {sentence}")


def test_a_model_for_a_painting_needs_one(tiny, train, capsys):
    plain = {key: value for key, value in tiny.items() if not key.startswith("style")}
    assert train(plain, "style=none") == 2
    expected = "error: FeedForward needs a painting, and style=none has none: give style=NAME\n"
    assert capsys.readouterr().err == expected
    assert train(plain, "style=none", "style.size=32") == 2
    expected = "there is no setting style.size, since style=none has no painting: leave it out, or give style=NAME"
    assert capsys.readouterr().err == f"error: {expected}\n"


OWN = "which has a loss of its own"
PARTS = "content_layers, style_layers, content_weight, style_weight, tv_weight, reference, terms, term_weights"


@pytest.mark.parametrize(
    ("model", "setting", "sentence"),
    [
        (
            "adain",
            "loss.style_weight=-7",
            f"loss.style_weight is not for AdaINStyle, {OWN}: give model.loss.style_weight",
        ),
        (
            "adain",
            "loss=gram",
            f"loss=gram is not for AdaINStyle, {OWN}, model.loss, with style_layers, content_weight, style_weight, "
            "encoder_weight, identity_weight: leave it out",
        ),
        (
            "any_style",
            "loss.style_loss=nonsense",
            f"loss.style_loss is not for AnyStyle, which takes {PARTS} of loss alone: leave it out",
        ),
        ("cycle_gan", "loss.style_weight=3", "loss.style_weight is not for CycleGAN, which has none: leave it out"),
        (
            "any_style",
            "loss=gram",
            "model.loss.reference must be images that untouched pictures score by, not null: give loss=deep, or "
            "another loss that has one",
        ),
    ],
)
def test_a_loss_that_the_model_does_not_take(
    model, setting, sentence, tiny_adain, tiny_any, tiny_translation, train, capsys
):
    runs = {"adain": tiny_adain, "any_style": tiny_any, "cycle_gan": tiny_translation["cycle_gan"]}
    assert train(runs[model], setting) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


@pytest.mark.parametrize("limit", [{"max_time": 5}, {"max_steps": 5}, {"max_epochs": 2, "limit_train_batches": 3}])
def test_a_training_has_an_end(limit):
    endless = {"max_time": None, "max_steps": -1, "max_epochs": -1, "limit_train_batches": 1.0}
    check_end(OmegaConf.create(endless | limit))
    with pytest.raises(ValueError, match=r"^the training has no end: give trainer\.max_time=HH:MM:SS or trainer\."):
        check_end(OmegaConf.create(endless))
