"""What the protocols of this room share: the corpus, the database, the judging of what was heard, and the export."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from calm.bench import Task, Verdict
from calm.bench.multiwoz import archive, perfect, played, tasks
from calm.bench.multiwoz.db import Database
from calm.bench.multiwoz.perfect import Say
from calm.bench.multiwoz.played import Heard, Held
from calm.conversation import Conversation, Garbled
from calm.files import write_json
from calm.hub.corpora import corpus


class Room(ABC):
    """A generating protocol of MultiWOZ but for its tasks and its world; `heard` says how its transcripts are read."""

    name = "multiwoz"
    edition: str
    about: str

    @property
    def version(self) -> str:
        """The data's version and that of the protocol here."""
        return f"{archive.source(self.folder).version}-{self.edition}"

    @property
    def note(self) -> str:
        """What to know beside a score, the error bound of the states among it."""
        return f"{self.about}; {archive.source(self.folder).note}"

    @property
    def folder(self) -> Path:
        """The corpus; HubError says what to set where it is not at hand."""
        return corpus("multiwoz")

    @abstractmethod
    def heard(self, transcript: Conversation) -> list[Heard]:
        """The turns that a transcript has reached."""

    @abstractmethod
    def calling(self, task: Task, say: Say) -> Conversation:
        """The transcript of a model that makes the right calls and says what `say` makes of each turn."""

    def gold(self, task: Task) -> Conversation:
        """The right calls and the recorded replies, with what the calls' bookings gave behind them."""
        return self.calling(task, perfect.said)

    def controls(self, tasks: Sequence[Task]) -> Mapping[str, Sequence[Conversation]]:
        """Speakers that make the right calls but say only the recorded replies, or every placeholder in each turn."""
        speakers = {"human": perfect.human, "constant": perfect.constant}
        return {name: [self.calling(task, say) for task in tasks] for name, say in speakers.items()}

    def grade(self, task: Task, transcript: Conversation) -> Verdict:
        """Valid when the dialogue is a success by mwzeval's rules; counts for the other measures in `scores`."""
        garbled = sum(isinstance(message, Garbled) for message in transcript.messages)
        return played.verdict(task, self.heard(transcript), self.held, garbled)

    def summary(self, verdicts: Sequence[Verdict]) -> Mapping[str, Any]:
        """Success, Inform, JGA by the helper and exact, slot F1, share of turns with a call, dialogues counted."""
        return played.summary(verdicts, self._turns)

    def predictions(self, transcripts: Iterable[Conversation]) -> dict[str, list[dict[str, Any]]]:
        """Transcripts in mwzeval's form; one that ended in an error is left out, of one tried again the last counts."""
        latest = {transcript.id: transcript for transcript in transcripts}
        return {name: played.rows(self.heard(one)) for name, one in latest.items() if "error" not in one.meta}

    def export(self, transcripts: Iterable[Conversation], folder: Path) -> list[Path]:
        """Write `predictions.json`, which mwzeval, multiwoz-helper and `calm grade multiwoz` read; returns its path."""
        path = folder / "predictions.json"
        write_json(path, self.predictions(transcripts))
        return [path]

    @cached_property
    def database(self) -> Database:
        """The real database, shared by all dialogues."""
        return Database(self.folder / "db")

    @property
    def held(self) -> Held:
        """What transcripts are held against."""
        return played.held(self.folder)

    @cached_property
    def _turns(self) -> dict[str, int]:
        return {task.id: len(tasks.recorded(task)["users"]) for task in tasks.read(self.folder)}
