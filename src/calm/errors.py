"""Every error a user can cause or mend, in one tree; the command line prints its message alone, never a traceback.

    CalmError                 exit 1   something went wrong that the message explains
    ├── UsageError            exit 2   a flag, name or combination that cannot be meant
    │   └── RecipeError       exit 2   a recipe: file, key, value, remedy
    ├── MissingExtra          exit 3   a feature whose packages are not installed; says the pip line
    ├── DataError             exit 4   a data file: path, row, what is wrong
    ├── FormatError           exit 4   a text or row that a Format cannot read or write
    ├── ModelError            exit 5   a model folder or name that cannot be loaded
    ├── HubError              exit 6   bytes that could not be had: network, checksum
    └── StorageError          exit 7   a file that cannot be written: no space, no permission

A message names the file, the key, the value and the remedy. Unparsable *model output* is no error: it is data, a
`Garbled` message in the transcript.
"""

from pathlib import Path
from typing import ClassVar


class CalmError(Exception):
    """Root of the tree; `exit_code` is what the command line leaves with."""

    exit_code: ClassVar[int] = 1


class UsageError(CalmError):
    """A flag, a name or a combination of both that no run could mean."""

    exit_code: ClassVar[int] = 2


class RecipeError(UsageError):
    """A recipe that does not fit its model; the message reads `file: key: what is wrong (got value); remedy`."""


class MissingExtra(CalmError):
    """A feature whose packages are absent; the message holds the exact install command."""

    exit_code: ClassVar[int] = 3

    def __init__(self, feature: str, extra: str, missing: str) -> None:
        self._said = (feature, extra, missing)
        super().__init__(f"{feature} needs `{missing}`, which is not installed: pip install 'calm-lm[{extra}]'")

    def __reduce__(self) -> tuple[type["MissingExtra"], tuple[str, str, str]]:
        return type(self), self._said  # by default a pickle calls with the message alone; worker processes pickle


class DataError(CalmError):
    """A data file that cannot be read; names the file and, where there is one, the row (1-based)."""

    exit_code: ClassVar[int] = 4

    def __init__(self, path: Path | str, why: str, row: int | None = None) -> None:
        self.path, self.row, self.why = str(path), row, why
        super().__init__(f"{path}{f': row {row}' if row is not None else ''}: {why}")

    def __reduce__(self) -> tuple[type["DataError"], tuple[str, str, int | None]]:
        return type(self), (self.path, self.why, self.row)


class FormatError(CalmError):
    """A text or row that a Format cannot turn into a Conversation, or a Conversation it cannot express."""

    exit_code: ClassVar[int] = 4


class ModelError(CalmError):
    """A model that cannot be loaded: the folder, what it lacks, and what would be accepted."""

    exit_code: ClassVar[int] = 5


class HubError(CalmError):
    """Bytes that could not be had: no network, wrong checksum; says how to go on."""

    exit_code: ClassVar[int] = 6


class StorageError(CalmError):
    """A file that cannot be written: the disk is full, or the folder may not be written."""

    exit_code: ClassVar[int] = 7
