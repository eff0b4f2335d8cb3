"""The help of `train`; its settings are read by Hydra."""

from textwrap import fill

from fast_style.assets import CONFIGS

HELP = """usage: {prog} style=NAME [SETTING=VALUE …]

Teach a network a painting, or go on with a training that was stopped. Without more than a style it takes five to ten
minutes on two CPU cores, downloads nothing, and prints at its end what to type next.

  style=starry_night          a shipped style, or styles/NAME.jpg (style.dir=FOLDER names another folder)
  style=PAINTING.jpg          a picture of yours, or its http(s) address
  data.root=PHOTOS            learn on photos, a folder or a .zip, in place of drawn scenes
  trainer.max_time=00:20:00   the best network that can be had in this time
  trainer.max_steps=2000      a number of steps instead, however long they take
  loss.style_weight=4         more of the painting, less of the photo (2)
  style.size=256              finer strokes, by a smaller painting (384)
  model=johnson               another network than slim, which a CPU trains
  experiment=quality          the best recipe known, for a GPU; needs data.root
  init=FILE.safetensors       start from another network
  output=FILE.safetensors     where the network goes; overwrite=true replaces one
  hydra.run.dir=RUN ckpt_path=last    go on with the training in the folder RUN
  -m style=mosaic,cubist      one training for each, and a table of them

Groups of settings, GROUP=CHOICE, are the folders of {configs}:

{groups}

{prog} --cfg job prints every setting with its value, --hydra-help the options of Hydra.
The guide: docs/train.md
"""


def help_text(prog: str) -> str:
    """Write the help.

    Args:
        prog: what the help calls the command.
    """
    folders = [folder for folder in sorted(CONFIGS.iterdir()) if folder.is_dir() and folder.name != "adversary"]
    choices = {folder.name: ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) for folder in folders}
    lines = (fill(f"  {name:<14}{choice}", 118, subsequent_indent=16 * " ") for name, choice in choices.items())
    return HELP.format(prog=prog, configs=CONFIGS, groups="\n".join(lines))
