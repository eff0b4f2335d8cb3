import torch

from fast_style.cli.watcher import Watcher
from fast_style.optimize import Step


def test_a_log_has_lines_of_progress(capsys, monkeypatch):
    """Ten seconds an iteration; those of the larger size take four times as long as those before."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    losses = {"total_loss": 6.0, "content_loss": 1.0, "weighted/style[x]": 5.0, "weighted/style[x]/relu1_1": 5.0}
    with Watcher([(10, 20), (20, 40)], [6, 3], None) as watcher:
        for total in range(1, 10):
            scale = int(total > 6)
            clock[0] += 40 if scale else 10
            watcher.see(Step(torch.zeros(1, 3, 4, 4), losses, 6.0, total, scale, total))
    told = "total_loss 6, style[x] 5"
    assert capsys.readouterr().err.splitlines() == [
        f"iteration 1 of 9, 20×10: {told}, about 3 min left",
        f"iteration 4 of 9, 20×10: {told}, about 3 min left",
        f"iteration 7 of 9, 40×20: {told}, about 2 min left",
        f"iteration 8 of 9, 40×20: {told}, about 1 min left",
        f"iteration 9 of 9, 40×20: {told}",
    ]
