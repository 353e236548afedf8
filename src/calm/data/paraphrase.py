"""Optional: the words of users and replies said otherwise by any OpenAI-compatible model, calls and values locked.

A turn is asked for with the values that must stay, and the answer is taken only if it keeps them: every value of the
conversation's calls, states and results that the turn says, and every number in it, must be there letter by letter.
Calls, results, states, thoughts and tools are never touched. What is refused leaves the turn as it was, and the reason
is counted in `meta["paraphrase"]`. Answers are kept on disk, so a build that is taken up again asks nothing twice and
gives the same rows; without them another run of the model may give others.
"""

import json
import re
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import Field

from calm.conversation import Assistant, Conversation, Garbled, Message, Observation, System, User
from calm.data import Item, Reject, bucket
from calm.files import dumps, read_json, write_json
from calm.hub import cache
from calm.policy import Policy
from calm.policy.endpoint import Endpoint
from calm.recipe import Recipe

PROMPT = (
    "You reword single turns of a dialogue between a user and an assistant. Say what the turn says in other words, in"
    " the same language and tone and at about the same length. Keep every fact, question and request, add none. Copy"
    " the listed values letter by letter. Answer with the reworded turn alone, not quoted, not commented on."
)
"""The standing instructions; a change of a letter here makes every cached answer a stranger."""

MARKERS = re.compile(
    r"<\|?/?[A-Za-z_][^<>\n]{0,40}\|?>|\[(?:BEGIN|END) OF [A-Z ]+\]|^\W*(?:User|Assistant|System|Thought|Action"
    r"|Observation|Response)\d?\s*:|```",
    re.MULTILINE,
)
"""What may not appear in a turn that had none: control tokens and tags, labels of a transcript, code fences."""

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
SHORTEST_VALUE = 2
"""Letters a value must have to be locked; a single one ("a") is in every text."""


class Paraphrase(Recipe):
    """Which model rewords (`openai:MODEL@URL`), the share of conversations (by hash of id), where answers are kept."""

    model: str = Field(pattern=r"openai:.+@https?://.+")
    share: float = Field(default=1.0, ge=0, le=1)
    replies: bool = True
    threads: int = Field(default=4, ge=1, le=64)
    cache: Path | None = None
    max_tokens: int = Field(default=256, ge=1)

    @property
    def folder(self) -> Path:
        """Where answers are kept: `cache`, or `paraphrase` in the user's cache folder."""
        return self.cache or cache() / "paraphrase"


def paraphrased(items: Iterable[Item], recipe: Paraphrase) -> Iterator[Item]:
    """Items in their order, the chosen share of conversations reworded turn by turn, `threads` at a time.

    Raises:
        HubError: the server is out of reach or refuses; what it answered so far is kept for the next run.
        MissingExtra: httpx is not installed.
        StorageError: an answer cannot be kept.
    """
    writer = _Writer(recipe, Endpoint.named(recipe.model, max_tokens=recipe.max_tokens))
    waiting: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(recipe.threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(writer.item, item))
                if len(waiting) >= 2 * recipe.threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def locked(conversation: Conversation, text: str) -> list[str]:
    """The values of calls, states and results that `text` says, spelled as it does, the longest first."""
    low = text.lower()
    values = {value for value in _values(conversation) if len(value) >= SHORTEST_VALUE and value.lower() in low}
    found = {match[0] for value in values for match in [_said(text, value, re.IGNORECASE)] if match}
    return sorted(found, key=lambda value: (-len(value), value))


def fault(original: str, said: str, values: Iterable[str]) -> str | None:
    """Why `said` cannot stand for `original`, or None: a class that can be counted."""
    checks = {
        "empty": not said.strip(),
        "unchanged": said.strip() == original.strip(),
        "value lost": not all(_said(said, value) for value in values),
        "number changed": Counter(NUMBER.findall(original)) != Counter(NUMBER.findall(said)),
        "marker": bool(MARKERS.search(said)) and not MARKERS.search(original),
        "length": not _fits(len(original), len(said)),
        "line break": "\n" in said.strip() and "\n" not in original,
        "question lost": "?" in original and "?" not in said,
    }
    return next((reason for reason, wrong in checks.items() if wrong), None)


def _fits(before: int, after: int) -> bool:
    """Half to twice the length, and a few words more for the shortest."""
    return before / 2 - 20 <= after <= 2 * before + 20


class _Writer:
    """Rewords conversations; threads share it."""

    def __init__(self, recipe: Paraphrase, policy: Policy) -> None:
        self.recipe, self.policy, self._writing = recipe, policy, threading.Lock()

    def item(self, item: Item) -> Item:
        """The item reworded where it is a conversation that the share chooses."""
        if isinstance(item, Reject) or bucket("paraphrase", item.id) >= self.recipe.share * 2**64:
            return item
        counts: Counter[str] = Counter()
        messages = tuple(self._message(item, message, counts) for message in item.messages)
        return item.model_copy(update={"messages": messages}).note(paraphrase=dict(sorted(counts.items())))

    def _message(self, conversation: Conversation, message: Message, counts: Counter[str]) -> Message:
        if isinstance(message, User) and message.content.strip():
            return User(content=self._reworded(conversation, message.content, "user", counts))
        if self.recipe.replies and isinstance(message, Assistant) and message.text and message.text.strip():
            return message.model_copy(update={"text": self._reworded(conversation, message.text, "assistant", counts)})
        return message

    def _reworded(self, conversation: Conversation, text: str, speaker: str, counts: Counter[str]) -> str:
        values = locked(conversation, text)
        said = self._answer(f"Speaker: {speaker}\nValues: {dumps(values)}\nTurn: {text}")
        reason = "no text" if said is None else fault(text, said, values)
        counts[f"kept: {reason}" if reason else "reworded"] += 1
        return text if reason or said is None else said.strip()

    def _answer(self, question: str) -> str | None:
        """The model's words, None where it answered with something else; from disk where it was asked before."""
        key = sha256(dumps([self.policy.name, PROMPT, question]).encode("utf-8", "surrogatepass")).hexdigest()
        path = self.recipe.folder / key[:2] / f"{key}.json"
        if not path.is_file():
            step = self.policy(Conversation(messages=(System(content=PROMPT), User(content=question))))
            with self._writing:  # two threads may have asked the same: the first answer counts, in every row
                if not path.is_file():
                    write_json(path, {"text": None if isinstance(step, Garbled) else step.text})
        return read_json(path)["text"]


# --- values --------------------------------------------------------------------------------------------------------


def _values(conversation: Conversation) -> Iterator[str]:
    """Every plain value of calls, states and results as text, once per spelling that a turn could use."""
    yield from _leaves(list(conversation.state))
    for message in conversation.messages:
        if isinstance(message, Assistant):
            yield from _leaves([call.arguments for call in message.calls])
        elif isinstance(message, Observation):
            yield from _leaves(_parsed(message.content))


def _parsed(content: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{value:g}" if isinstance(value, float) else str(value)


def _said(text: str, value: str, flags: re.RegexFlag = re.NOFLAG) -> re.Match[str] | None:
    """Where the value stands in the text, not as a part of a longer word or number."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, flags)
