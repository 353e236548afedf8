"""A model as Ollama runs it: one GGUF file and the Modelfile that says how a conversation is written and where it ends.

The template is our rendering in Go's template syntax. Ollama reads two things out of its tree: the tag before a call
(`tools/template.go`) and the tags around a thought (`thinking/template.go`, both at ollama commit fb30760), which is
why the calls stand in an `if` that opens with the tag, and nothing but the thought stands between its tags.
"""

import re
from pathlib import Path

from calm.files import read_json, write_text
from calm.format.react import TAGS, TOOLS_HEAD, TOOLS_TAIL, Markers
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.train.gguf import gguf
from calm.train.merge import Progress, vacant

LOST = (
    "Ollama's templates cannot escape text, so a message that holds a tag or a turn marker is read as one",
    "Ollama writes JSON its own way: no blanks, keys in alphabetical order, of a tool only the fields it knows",
)
"""Where a prompt that Ollama renders differs from ours."""


def ollama(found: Found, out: Path, progress: Progress = lambda what, done, total: None) -> None:
    """Write `model.gguf` (bfloat16, the adapter merged) and `Modelfile` into the folder `out`.

    Raises:
        UsageError: `out` holds files.
        ModelError: a model that is not written as GGUF.
        MissingExtra: `gguf` is not installed.
        StorageError: it cannot be written.
    """
    vacant(out)
    gguf(found, out / "model.gguf", progress)
    context = read_json(found.base / "config.json")["max_position_embeddings"]
    write_text(out / "Modelfile", modelfile(Codec.load(found.tokenizer).markers, context))


def modelfile(markers: Markers, context: int) -> str:
    """The Modelfile: greedy as here, stopped by the end of a turn and by the start of one."""
    stops = "".join(f'PARAMETER stop "{stop}"\n' for stop in (markers.close, markers.open))
    settings = f"PARAMETER num_ctx {context}\nPARAMETER temperature 0\n"
    return f'FROM ./model.gguf\nTEMPLATE """{template(markers)}"""\n{stops}{settings}'


def template(markers: Markers) -> str:
    """The rendering as a Go template, with tools, thoughts, calls, results and the opened assistant turn."""
    head = f"{markers.open}assistant{markers.mid}{markers.gap}"
    fills = {
        "BOS": markers.bos,
        "SYSTEM": head.replace("assistant", "system"),
        "OPEN": head.replace("assistant", "{{ .Role }}"),
        "CLOSE": markers.close + markers.after,
        "ASSISTANT": head,
        "HEAD": TOOLS_HEAD,
        "TAIL": TOOLS_TAIL,
        **dict(zip(("THINK", "UNTHINK", "CALL", "UNCALL"), TAGS, strict=True)),
        "NL": "\n",
    }
    lines = "".join(line.strip() for line in _TEMPLATE.splitlines())
    return re.sub(r"%([A-Z]+)%", lambda name: fills[name[1]], lines)


_TEMPLATE = """
%BOS%{{ range $i, $_ := .Messages }}
{{ $first := and $.Tools (eq $i 0) }}
{{ if $first }}
    %SYSTEM%{{ if eq .Role "system" }}{{ .Content }}%NL%%NL%{{ end }}%HEAD%
    {{ range $j, $_ := $.Tools }}{{ if $j }}%NL%{{ end }}{{ json .Function }}{{ end }}
    %TAIL%%CLOSE%
{{ end }}
{{ if not (and $first (eq .Role "system")) }}
    %OPEN%
    {{ if eq .Role "assistant" }}
        {{ $gap := "" }}
        {{ if .Thinking }}%THINK%%NL%{{ .Thinking }}{{ $gap = "\\n" }}%NL%%UNTHINK%{{ end }}
        {{ if .Content }}{{ $gap }}{{ .Content }}{{ $gap = "\\n" }}{{ end }}
        {{ with .ToolCalls }}{{ $gap }}{{ end }}
        {{ if .ToolCalls }}
            {{ range $k, $_ := .ToolCalls }}
                {{ if $k }}%NL%%CALL%%NL%{{ else }}%CALL%%NL%{{ end }}
                {"name": {{ json .Function.Name }}, "arguments": {{ json .Function.Arguments }}}
                %NL%%UNCALL%
            {{ end }}
        {{ end }}
    {{ else }}
        {{ .Content }}
    {{ end }}
    %CLOSE%
{{ end }}
{{ end }}%ASSISTANT%
"""
