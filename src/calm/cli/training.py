"""What `calm train` shows while it goes: the first row with its mask, a bar with the figures of the step, the news."""

from collections import deque
from typing import Any

from rich.progress import ProgressColumn, Task
from rich.text import Text

from calm.cli import screen
from calm.report.words import middle, visible

TRAINING = "training"


class Figures(ProgressColumn):
    """Loss, learning rate, tokens/s and memory of the last step at the right of the training bar."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self.seconds: deque[float] = deque(maxlen=16)

    def hear(self, step: dict[str, Any]) -> None:
        """Take in one step's figures."""
        self.seconds.append(step["seconds"])
        held = f" · held-out {step['held_out_loss']:.3f}" if step.get("held_out_loss") is not None else ""
        self.said = (
            f"loss {step['loss']:.3f}{held} · lr {step['lr']:.1e} · {step['tokens_per_second']:,.0f} tokens/s · "
            f"{step['memory'] / 2**30:.1f} GiB"
        )

    def left(self, steps: int) -> str:
        """The time that so many more steps will take, as h:mm:ss, from the last few."""
        seconds = round(steps * sum(self.seconds) / len(self.seconds))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    def render(self, task: Task) -> Text:
        """Nothing beside any other bar."""
        return Text(self.said if task.description == TRAINING else "")


def draw(event: dict[str, Any], tick: screen.Tick, figures: Figures | None = None) -> None:
    """One event of the trainer on the progress bar, or as a line where it is news."""
    kind = event["event"]
    if kind == "step":
        _step(event, tick, figures)
    elif kind == "eval" and event["when"] != "now":
        tick(f"held-out loss {event['when']}", event["row"], event["of"])
    elif kind == "rows":
        tick(f"reading {event['file']}", event["done"], event["of"])
    elif line := _line(event):
        screen.err().print(line, markup=False)


def _step(event: dict[str, Any], tick: screen.Tick, figures: Figures | None) -> None:
    step, of = event["step"], event["of"]
    if figures is not None:
        figures.hear(event)
    if figures is None or screen.err().is_terminal:
        tick(TRAINING, step, of)
    elif step == 1 or 10 * step // of > 10 * (step - 1) // of:
        screen.err().print(f"step {step:,} of {of:,}: {figures.said} · {figures.left(of - step)} left", markup=False)


def _line(event: dict[str, Any]) -> str:
    """The news of an event in a line; empty where there is none."""
    kind = event["event"]
    if kind == "resumed":
        return f"going on after step {event['step']} of {event['of']}"
    if kind == "damaged":
        return f"{event['folder']} is damaged ({event['why']}); using {event['used']}"
    if kind == "stage":
        return f"stage {event['place']} of {event['of']}: {event['name']}"
    if kind == "untracked":
        return f"track: {event['name']} failed ({event['why']}); the run goes on without it, metrics.jsonl has it all"
    if kind == "stopping":
        return "stopping after this step, which is kept (once more to stop at once)"
    return f"{event['folder']} already holds this run" if kind == "done" and event["reused"] else ""


def first(event: dict[str, Any]) -> None:
    """The first row as it is trained: what is learned bright, between ⟦ and ⟧ where there are no colours."""
    console = screen.err()
    plain = console.color_system is None
    text = Text(
        f"first row {visible(event['id'])!r}: {event['tokens']:,} tokens, {event['learned']:,} learned\n", "bold"
    )
    for said, learned in event["pieces"]:
        text.append(_learned(said, plain) if learned else _read(said))
    text.rstrip()
    console.print(text)


def _learned(said: str, plain: bool) -> Text:
    return Text(f"⟦{visible(said)}⟧") if plain else Text(visible(said), "not dim bright_green")


def _read(said: str) -> Text:
    head, hidden, tail = middle(visible(said))
    note = f"… {len(hidden):,} more characters …\n" if hidden else ""
    return Text.assemble(head, (note, "italic"), tail, style="not bold dim")
