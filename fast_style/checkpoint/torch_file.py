"""Files written by torch.save, which may come from anywhere: read, never executed."""

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from fast_style.checkpoint.cyclegan import CYCLEGAN, from_cyclegan, is_cyclegan
from fast_style.networks import PREFIX

LIGHTNING = "lightning"
EXAMPLES = "pytorch/examples"
MAX_GIB = 2  # more than any network here takes, even in float32 and with the state of its optimizer


def read_torch_file(path: Path, zipped: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a Lightning checkpoint, or weights of pytorch/examples or of pytorch-CycleGAN-and-pix2pix.

    The weights may lie in an entry `state_dict`, and their names may begin with `module.` or `_orig_mod.`, as
    `DataParallel` and `torch.compile` leave them.

    Args:
        path: the file.
        zipped: whether it is a zip archive, as since PyTorch 1.6, or a bare pickle.

    Returns:
        Metadata with `format` (`LIGHTNING`, `EXAMPLES` or `CYCLEGAN`), `network` and `arguments`, and the weights under
        our names. Nothing of either is checked, and the weights may be views of the file.

    Raises:
        ValueError: if the file is incomplete or damaged, holds anything but plain data and tensors, grows when it is
            unpacked, is of none of these kinds, or `from_cyclegan` refuses it.

    Source: https://github.com/pytorch/examples/blob/main/fast_neural_style/neural_style/transformer_net.py
    """
    loaded = _unpickle(path, zipped)
    entries = loaded if isinstance(loaded, dict) else {}
    inner = entries.get("state_dict")
    state = _bare(inner if isinstance(inner, dict) else entries)
    match entries:
        case {"network": {"target": target, "arguments": arguments}, "state_dict": dict()}:
            used = entries.get("used")  # of a training with an average, or of two networks, another than the first
            prefix = used if isinstance(used, str) else "network."
            metadata = {"format": LIGHTNING, "network": target, "arguments": arguments, "used": prefix}
            match entries:
                case {"identity": {"direction": str(direction)}}:  # of a translation, from A to B or back
                    metadata["direction"] = direction
            return metadata, {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
    if "conv1.conv2d.weight" in state:
        return _from_examples(state)
    if is_cyclegan(state):
        return from_cyclegan(path, state)
    advice = ""
    if "conv1.weight" in state:
        advice = ": it holds bare weights, write them with fast_style.checkpoint.save_network"
    raise ValueError(
        f"{path} is neither a checkpoint of fast_style nor weights in the layout of {EXAMPLES} or {CYCLEGAN}{advice}"
    )


def _bare(state: dict[Any, Any]) -> dict[str, Any]:
    """Name weights as the network does, without what wraps it or its layers."""
    return {re.sub(r"^(module\.|_orig_mod\.)+|(?<=\.)(_orig_mod\.)+", "", str(key)): state[key] for key in state}


def _unpickle(path: Path, zipped: bool) -> Any:
    if zipped:
        _check_archive(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # about the ways of old files
            return torch.load(path, "cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        reason = str(error).rpartition("WeightsUnpickler error:")[2]
        if re.search(r"global|class|function|create new|only build", reason, re.IGNORECASE):
            problem = "holds code or Python objects besides weights, which is unsafe to load: keep its state dict alone"
        else:
            problem = "is incomplete or damaged"
        raise ValueError(f"{path} {problem}") from error
    except Exception as error:  # on a damaged file the unpickler raises nearly anything
        raise ValueError(f"{path} is incomplete or damaged") from error


def _check_archive(path: Path) -> None:
    """Refuse an archive that grows when it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ValueError(f"{path} is incomplete or damaged") from error
    if sum(entry.file_size for entry in entries) > MAX_GIB * 2**30:
        raise ValueError(f"{path} unpacks to more than {MAX_GIB} GiB, which is no network of fast_style")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError(f"{path} is a compressed archive, which torch.save does not write: save its weights anew")


def _from_examples(loaded: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    state = {}
    for key, tensor in loaded.items():
        # Statistics which instance normalisation kept before PyTorch 0.4, without using them.
        if key.endswith((".running_mean", ".running_var", ".num_batches_tracked")):
            continue
        name = re.sub(r"\bin(\d)\.", r"norm\1.", key.replace(".conv2d.", "."))
        name = re.sub(r"^res(\d\d?)\.", lambda match: f"residuals.{int(match[1]) - 1}.", name)
        for theirs, ours in (("deconv1.", "up1."), ("deconv2.", "up2."), ("deconv3.", "conv4.")):
            name = ours + name.removeprefix(theirs) if name.startswith(theirs) else name
        state[name] = tensor
    shape = getattr(state["conv1.weight"], "shape", ())
    blocks = len({name.split(".")[1] for name in state if name.startswith("residuals.")})
    arguments = {"width": shape[0] if shape else 0, "blocks": blocks, "output": "linear"}
    return {"format": EXAMPLES, "network": f"{PREFIX}TransformerNetwork", "arguments": arguments}, state
