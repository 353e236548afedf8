"""`calm demo`: the main job, for real, with everything visible."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from calm.cli import screen
from calm.cli.training import draw
from calm.errors import MissingExtra


def demo(*, out: Path = Path("out/demo"), chat: bool = True) -> None:
    """One real run through every room: converse, look at a row and its mask, train a little, judge, one HTML report.

    Stages that are finished in `out` are reused, so a stopped run goes on and a second run only shows.

    Args:
        out: where everything goes.
        chat: offer a conversation with calm-135m at the end (in a terminal only).
    """
    try:
        import calm.policy.local.constrain
        import calm.train.loop  # noqa: F401  # fail before the first stage, not in the fourth
    except ImportError as error:
        raise MissingExtra("the demo", "local", error.name or "torch") from error
    Show(screen.out(), out).run()
    if chat and sys.stdin.isatty() and sys.stdout.isatty():
        from calm.cli.chat import chat as talk

        screen.out().print("\nYour turn: ask for a restaurant in the town. /help lists commands, Ctrl-D ends.")
        talk()


MOST = 128
"""Tokens a step may have in the demo; a longer one is Garbled and counts as such."""


class Show:
    """The stages one after another on one console, timed."""

    def __init__(self, console: Console, folder: Path) -> None:
        self.console, self.folder = console, folder
        self.seconds: dict[str, float] = {}
        self.missing: list[str] = []

    @contextmanager
    def stage(self, title: str) -> Generator[None]:
        """A headline, and the time the block took."""
        self.console.print(Rule(title, align="left", style="dim"))
        began = time.perf_counter()
        yield
        self.seconds[title] = time.perf_counter() - began
        self.console.print(f"[dim]{self.seconds[title]:.1f} s[/dim]\n")

    def run(self) -> None:
        """Everything, one stage after the other."""
        from calm.demo import BASE, page, stages
        from calm.hub.models import PUBLISHED
        from calm.policy import load
        from calm.report.terminal import show_mask

        with self.stage("1  the embedded model"), screen.progress() as tick:
            base: Any = load(BASE, max_tokens=MOST, progress=tick)
            self.console.print(f"{BASE}: SmolLM2-135M-Instruct, {base.engine.kind}, on this processor")
        with self.stage("2  a dataset row and its mask"):
            data = stages.dataset(self.folder)
            row = stages.example(data)
            show_mask(row, base.codec, self.console)
        with self.stage("3  the base model tries to book a table"):
            first = self.talks(base)
        del base  # the training run wants the memory
        with self.stage("4  a short LoRA run"), screen.progress() as tick:
            adapter = stages.adapter(self.folder, data, lambda event: self.trained(event, tick))
        with self.stage("5  the tuned model books a table"):
            second = self.talks(load(str(adapter), max_tokens=MOST))
        with self.stage("6  calm-135m, the published model, books a table"):
            third = self.talks(load(PUBLISHED, max_tokens=MOST))
        with self.stage("7  the first two are judged on slices of the benchmarks"), screen.progress() as tick:
            judged = [
                f
                for name in (BASE, str(adapter))
                for f in self.judged(load(name, max_tokens=MOST, precision="f16"), tick)
            ]
            self.scores(judged)
        told = {
            "The base model tries to book a table": first,
            "The tuned model books a table": second,
            "calm-135m books a table": third,
        }
        talks = [(title, said[0]) for title, said in told.items()]
        booked = " → ".join(f"{sum(map(stages.booked, said))} of {len(said)}" for said in told.values())
        path = self.folder / "report.html"
        page.write(path, page.Shown(talks, booked, row, adapter, judged, self.seconds, self.missing))
        self.console.print(f"[bold]{path}[/bold]: dialogue, mask, loss and scores on one page")
        self.console.print(f"talk to calm-135m: calm chat; to your own: calm chat --model {adapter}")

    def talks(self, policy: Any) -> list[Any]:
        """The conversations of one model, the first as it goes, and how many ended with a booking."""
        from calm.demo import stages

        said = stages.talks(policy, self.folder, self.hear)
        done = sum(map(stages.booked, said))
        self.console.print(f"[bold]{done} of {len(said)}[/bold] users got a booking (the first conversation is shown)")
        return said

    def judged(self, policy: Any, tick: screen.Tick) -> list[Path]:
        """The run folders of one model, with a bar per benchmark."""
        from calm.demo import stages

        return stages.judged(policy, self.folder, tick, self.note)

    def hear(self, message: Any) -> None:
        """One message of a dialogue as it comes."""
        from calm.cli.chat import draw as card
        from calm.conversation import User
        from calm.report.words import visible

        if isinstance(message, User):
            self.console.print(f"[bold]user:[/bold] {escape(visible(message.content))}")
        else:
            card(message, self.console)

    def trained(self, event: dict[str, Any], tick: screen.Tick) -> None:
        """Training events: the bar, and a line for what is worth reading."""
        draw(event, tick)
        if event["event"] == "step" and (event["step"] % 4 == 1 or event["step"] == event["of"]):
            rate = event["tokens"] / event["seconds"]
            self.console.print(
                f"step {event['step']:>3} of {event['of']}  loss {event['loss']:.3f}  {rate:,.0f} tokens/s"
            )
        elif event["event"] == "eval" and event["row"] == event["of"]:
            self.console.print(f"held-out loss {event['when']}: [bold]{event['loss']:.3f}[/bold] ({event['of']} rows)")

    def note(self, text: str) -> None:
        """Something that was left out, said once and kept for the report."""
        if text not in self.missing:
            self.missing.append(text)
            self.console.print(text, style="yellow", markup=False)

    def scores(self, judged: list[Path]) -> None:
        """The table of both models, one line a benchmark."""
        from calm.cli.bench import table
        from calm.files import read_json

        found = [read_json(folder / "scores.json") for folder in judged]
        ordered = sorted(found, key=lambda score: score["name"])
        kept = ("benchmark", "n", "score", "95 %", "floor", "ceiling")
        rows = [{"model": score["policy"], **{key: table(score)[0][key] for key in kept}} for score in ordered]
        screen.print_rows([{**row, "benchmark": str(row["benchmark"]).split(" (")[0]} for row in rows])
