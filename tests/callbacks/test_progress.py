from types import SimpleNamespace

from restoration.callbacks import Progress
from restoration.support import progress


class Loss:
    """A loss on a device: asking for its value is what costs."""

    asked = 0

    def item(self):
        self.asked += 1
        return 0.125


def test_without_a_terminal_a_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar, loss = Progress(), Loss()
    bar.on_train_start(SimpleNamespace(global_step=0, max_steps=100), None)
    # a second a step, and the clock starts at the first one
    for step in range(1, 101):
        now[0] = float(step)
        trainer = SimpleNamespace(global_step=step, max_steps=100)
        bar.on_train_batch_end(trainer, None, {"loss": loss}, None, 0)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"step {step} of 100  loss 0.125, about {told} left"
        for step, told in ((6, "2 min"), (36, "64 s"), (66, "34 s"), (96, "4 s"))
    ]
    assert loss.asked == 4  # no step in between waits for the device


def test_switched_off_it_is_silent(capsys):
    bar, loss = Progress(refresh=0), Loss()
    bar.disable()
    bar.on_train_start(SimpleNamespace(global_step=0, max_steps=2), None)
    bar.on_train_batch_end(
        SimpleNamespace(global_step=1, max_steps=2), None, {"loss": loss}, None, 0
    )
    assert capsys.readouterr().err == ""
    assert loss.asked == 0
