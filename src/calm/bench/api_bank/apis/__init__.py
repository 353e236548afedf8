"""API-Bank's APIs as small pure functions: levels 1 and 2 share one set (53), level 3 has another (22).

Two names for tool search are among them, so these are the paper's 73. Constants that an answer must repeat to be equal
(a verification code, the date, clothes by temperature, tax rates) are upstream's: DAMO-ConvAI, api-bank at commit
f30ccf2, MIT, Copyright (c) 2022 Alibaba Research.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from calm.bench.api_bank.apis import account, agenda, health, home, level3, media, town
from calm.bench.api_bank.apis.base import API, Answer, Fault, Parameter, Refusal, State, call, recorded, typed
from calm.errors import DataError
from calm.files import read_json

__all__ = [
    "API",
    "APIS",
    "SEARCH",
    "Answer",
    "Fault",
    "Parameter",
    "Refusal",
    "State",
    "call",
    "initial",
    "level3",
    "recorded",
    "typed",
]

APIS: dict[str, API] = {**account.APIS, **agenda.APIS, **health.APIS, **home.APIS, **media.APIS, **town.APIS}
"""The APIs of levels 1 and 2 by name."""

SEARCH = "ToolSearcher"
"""The API that finds APIs; a level offers nothing else at first."""

DATABASES = """
Account Agenda Alarm Appointments Bank HealthData History Hotel ImageCaptioning Meeting QuestionAnswering Reminder
Scenes SearchEngine SpeechRecognition Stock Symptom TimeSwitch Wiki
"""


@lru_cache(maxsize=2)
def initial(folder: Path) -> Mapping[str, Any]:
    """The initial databases (`init_database/*.json`), read once; the search index and captions by address are added.

    Raises:
        DataError: a file is missing or is not what it should be.
    """
    found: dict[str, Any] = {n: read_json(folder / "init_database" / f"{n}.json") for n in DATABASES.split()}
    try:
        found["SearchEngine"]["index"] = media.Index(found["SearchEngine"]["tokenized_documents"])
        # The first picture of an address counts, so later ones must not replace it.
        found["captions"] = {item["url"]: item["caption"] for item in reversed(found["ImageCaptioning"])}
    except (KeyError, TypeError) as error:
        raise DataError(folder / "init_database", f"is not API-Bank's ({error!r})") from error
    return found
