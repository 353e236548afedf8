"""Knowledge and media: search engine, encyclopedia, documents, pictures, speech; two that are online."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

from calm.bench.api_bank.apis.base import API, Answer, Fault, Refusal, State, alike, equal, itself

K1, B, EPSILON = 1.5, 0.75, 0.25
"""The settings of Okapi BM25 in rank_bm25, which upstream uses."""
HITS = 2
TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[\w'-]+|[^\w\s]")


# --- search engine -------------------------------------------------------------------------------------------------


class Index:
    """Okapi BM25 over documents of words; a word in more than half of them counts little instead of negatively."""

    def __init__(self, documents: Sequence[Sequence[str]]) -> None:
        self.counts = [Counter(document) for document in documents]
        self.lengths = [len(document) for document in documents]
        self.mean = sum(self.lengths) / len(documents)
        spread = Counter(word for counts in self.counts for word in counts)
        weights = {word: math.log((len(documents) - n + 0.5) / (n + 0.5)) for word, n in spread.items()}
        least = EPSILON * sum(weights.values()) / len(weights)
        self.weights = {word: weight if weight >= 0 else least for word, weight in weights.items()}

    def best(self, words: Sequence[str], count: int) -> list[int]:
        """The places of the best documents, the best first; of equal ones the first."""
        scores = [self._score(place, words) for place in range(len(self.counts))]
        return sorted(range(len(scores)), key=lambda place: -scores[place])[:count]

    def _score(self, place: int, words: Sequence[str]) -> float:
        counts, norm = self.counts[place], K1 * (1 - B + B * self.lengths[place] / self.mean)
        return sum(self.weights.get(word, 0) * counts[word] * (K1 + 1) / (counts[word] + norm) for word in words)


def search_engine(state: State, keyword: str) -> list[dict[str, str]]:
    """The two documents that fit the words best."""
    database = state.initial["SearchEngine"]
    places = database["index"].best(TOKEN.findall(keyword.lower()), HITS)
    return [database["raw_documents"][place] for place in places]


def same_hits(ours: Answer, gold: Answer) -> bool:
    """The same documents in any order."""
    key = lambda document: document["title"] + document["abstract"]  # noqa: E731
    return ours.exception == gold.exception and sorted(ours.output, key=key) == sorted(gold.output, key=key)


# --- look-ups ------------------------------------------------------------------------------------------------------


def wiki(state: State, keyword: str) -> dict[str, str]:
    """Address and summary of an article."""
    article = state.initial["Wiki"].get(keyword.replace("_", " ").strip().lower())
    if article is None:
        raise Refusal("there is no such article")
    return {"url": article["url"], "summary": article["summary"]}


def document_qa(state: State, url: str, question: str) -> str:
    """Upstream looks the question up where only question-answer pairs are, so it never finds one."""
    if not question.strip():
        raise Refusal("it needs a question")
    if url.strip() not in state.initial["QuestionAnswering"]:
        raise Refusal("that document cannot be read")
    return "The question is too difficult to answer."


def image_caption(state: State, url: str) -> str:
    """The caption of a picture, by its address."""
    return _by_address(state.initial["captions"], url, (".jpg", ".jpeg", ".png"))


def speech_recognition(state: State, url: str) -> str:
    """What is said in a recording, by its address."""
    return _by_address(state.initial["SpeechRecognition"], url, (".wav",))


def _by_address(known: dict[str, str], url: str, endings: tuple[str, ...]) -> str:
    address = url.strip()
    if not address.endswith(endings) or address not in known:
        raise Refusal("nothing can be had from that address")
    return known[address]


def online(state: State, **given: Any) -> NoReturn:
    """Dictionary and Translate ask the network, which a grader never does."""
    raise Fault("NEEDS_NETWORK")


def tool_searcher(state: State, **given: Any) -> NoReturn:
    """Upstream embeds the keywords with a MiniLM model."""
    raise Fault("NEEDS_MODEL")


APIS = {
    "SearchEngine": API("keyword", search_engine, same_hits),
    "Wiki": API("keyword", wiki, alike()),
    "DocumentQA": API("url question", document_qa, alike(url=str.strip, question=str.strip)),
    "ImageCaption": API("url", image_caption, equal),
    "SpeechRecognition": API("url", speech_recognition, equal),
    "Dictionary": API("keyword", online, alike()),
    "Translate": API("src src_lang? tgt_lang?", online, alike(src=itself)),
    "ToolSearcher": API("keywords", tool_searcher, alike()),
}
