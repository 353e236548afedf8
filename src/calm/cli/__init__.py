"""The verbs. Importing this loads no room: each command is named as a string and imported when it runs.

An error a user can mend is one line on stderr and a non-zero exit (the numbers stand in `calm.errors`); Ctrl-C exits
with 130 and the same command goes on where it stopped.
"""

import errno
import io
import sys

from cyclopts import App, CycloptsError

from calm import __version__
from calm.errors import CalmError

VERBS = {
    "demo": "The main job, offline: converse, look at a row and its mask, train a little, judge, one HTML report.",
    "build": "Make a dataset out of corpora by a recipe.",
    "export": "Write a dataset, a recipe or a model as another tool reads it: rows, configurations, weights, GGUF.",
    "show": "Look at a dataset row, a transcript or a run: turns, state, mask.",
    "train": "Fine-tune by a recipe (LoRA); goes on after a kill; --dry-run plans only.",
    "average": "The mean of adapters that went on from one another, as one adapter.",
    "chat": "Talk to a model that may call tools.",
    "serve": "OpenAI-compatible server with tools, streaming and a chat page.",
    "bench": "Run benchmarks on a model and judge it.",
    "grade": "Score stored predictions or transcripts, pure and offline.",
    "report": "Compare runs in one HTML page.",
    "publish": "An adapter and its scores as a folder to give away, judged again from what lies in it.",
    "doctor": "What is installed, what is missing, and the command that mends it.",
}


def app(wanted: str = "") -> App:
    """The command line, with every verb lazy; the verb `wanted` brings its own longer help."""
    root = App(
        name="calm",
        help="CALM (CoALM): one model that holds a task conversation and calls tools. Build, train, converse, judge.",
        version=__version__,
        suppress_keyboard_interrupt=False,
    )
    for verb, help_line in VERBS.items():
        own = {} if verb == wanted else {"help": help_line}
        root.command(f"calm.cli.{verb}:{verb}", name=verb, **own)
    return root


def main() -> None:
    """Run one verb and leave with its exit code; never a traceback for what a user can mend."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows fewer characters shows the others' codes
            stream.reconfigure(errors="backslashreplace")
    try:
        app(sys.argv[1] if sys.argv[1:] else "")(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _leave(f"{' '.join(str(error).split())} (calm --help)", 2)
    except CalmError as error:
        _leave(str(error), error.exit_code)
    except KeyboardInterrupt:
        _leave("stopped; what was finished is kept, the same command goes on", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader (head, less) has gone: nothing is wrong
        sys.exit(141)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        _leave(f"{error.filename or 'output'}: {error.strerror}; free some space or choose another folder", 7)


def _leave(message: str, code: int) -> None:
    print(f"calm: {message}", file=sys.stderr)  # noqa: T201  # the one place that may
    sys.exit(code)
