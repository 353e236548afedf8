"""The ReAct format as files that travel with a model: `chat_template.jinja` and transformers' `response_template`.

The template writes exactly what `react.render` writes (a law in the tests), so stock vLLM, SGLang, llama.cpp and
transformers give the model the prompt it was trained on; the response template lets them read its answers.
"""

from typing import Any

from calm.format.react import TOOLS_HEAD, TOOLS_TAIL, Markers


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


_ESCAPES = ("<\\", "<|", "<think>", "</think>", "<tool_call>", "</tool_call>", "<tools>", "</tools>")


def chat_template(markers: Markers) -> str:
    """Jinja source of the format for one family of markers; tools, tool calls, thoughts and parallel calls included."""
    escape = "|".join(f"replace({_quote(e)}, {_quote('<' + chr(92) + e[1:])})" for e in _ESCAPES)
    opened = f"{_quote(markers.open)} ~ role ~ {_quote(markers.mid + markers.gap)}"
    return _TEMPLATE.format(
        escape=escape,
        opened=opened,
        assistant=_quote(f"{markers.open}assistant{markers.mid}{markers.gap}"),
        close=_quote(markers.close + markers.after),
        bos=f"{{{{- {_quote(markers.bos)} }}}}\n" if markers.bos else "",
        head=_quote(TOOLS_HEAD),
        tail=_quote(TOOLS_TAIL),
    )


_TEMPLATE = """\
{{%- macro safe(text) -%}}{{{{ text|{escape} }}}}{{%- endmacro -%}}
{{%- macro compact(value) -%}}{{{{ value|tojson|replace('<', '\\\\u003c') }}}}{{%- endmacro -%}}
{{%- macro barred(text) -%}}
{{%- for piece in text.split('<') -%}}
{{{{- '' if loop.first else ('<\\\\' if piece.lstrip('\\\\').startswith('|') else '<') }}}}{{{{- piece }}}}
{{%- endfor -%}}
{{%- endmacro -%}}
{{%- macro open(role) -%}}{{{{ {opened} }}}}{{%- endmacro -%}}
{bos}{{%- set ns = namespace(rest=messages) -%}}
{{%- if tools -%}}
{{{{- open('system') }}}}
{{%- if messages and messages[0].role == 'system' -%}}
{{{{- safe(messages[0].content) ~ '\\n\\n' }}}}{{%- set ns.rest = messages[1:] -%}}
{{%- endif -%}}
{{{{- {head} }}}}
{{%- for tool in tools -%}}
{{{{- compact(tool.function if tool.function is defined else tool) }}}}{{{{- '' if loop.last else '\\n' }}}}
{{%- endfor -%}}
{{{{- {tail} ~ {close} }}}}
{{%- endif -%}}
{{%- for message in ns.rest -%}}
{{{{- open(message.role) }}}}
{{%- if message.garbled is defined -%}}
{{{{- barred(message.content) }}}}
{{%- elif message.role == 'assistant' -%}}
{{%- set thought = message.reasoning_content if message.reasoning_content is defined
    else (message.reasoning if message.reasoning is defined else message.thinking) -%}}
{{%- set thinks = thought is defined and thought is not none -%}}
{{%- set says = message.content is defined and message.content is not none -%}}
{{%- if thinks -%}}{{{{- '<think>\\n' ~ safe(thought) ~ '\\n</think>' }}}}{{%- endif -%}}
{{%- if says -%}}{{{{- ('\\n' if thinks else '') ~ safe(message.content) }}}}{{%- endif -%}}
{{%- for call in (message.tool_calls or []) if message.tool_calls is defined -%}}
{{%- set function = call.function if call.function is defined else call -%}}
{{{{- '' if loop.first and not thinks and not says else '\\n' }}}}
{{{{- '<tool_call>\\n{{"name": ' ~ compact(function.name) ~ ', "arguments": ' }}}}
{{{{- function.arguments|replace('<', '\\\\u003c') if function.arguments is string else compact(function.arguments) }}}}
{{{{- '}}\\n</tool_call>' }}}}
{{%- endfor -%}}
{{%- else -%}}
{{{{- safe(message.content) }}}}
{{%- endif -%}}
{{{{- {close} }}}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}{{{{- {assistant} }}}}{{%- endif -%}}
"""


def response_template(markers: Markers) -> dict[str, Any]:
    """The reading side for transformers >= 5.13 (`tokenizer.parse_response`): thinking, content and tool_calls."""
    close = "".join("\\" + c if c in "|." else c for c in markers.close)
    return {
        "version": 1,
        "start_anchor": f"{markers.open}assistant{markers.mid}{markers.gap}",
        "fields": {
            "thinking": {"open": "<think>\n", "close": "\n</think>"},
            "tool_calls": {
                "open_pattern": r"\s*<tool_call>\s*",
                "close_pattern": r"\s*</tool_call>",
                "repeats": True,
                "content": "json",
                "transform": {"type": "function", "function": "{content}"},
            },
            "content": {"close_pattern": rf"\s*{close}"},
        },
    }
