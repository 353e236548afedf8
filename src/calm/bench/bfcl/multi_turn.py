"""The multi-turn check of BFCL: a model's calls and the truth's, each acting on objects of its own, compared by turn.

Behaviour after `bfcl_eval/eval_checker/multi_turn_eval` (6ea5797 and b1bacde5, which agree here), quirks included: a
call goes through a text on its way, in which every known method name before a bracket gets an object's name, also
inside strings. Upstream then runs `eval`; here the text is parsed and its one call looked up in a table.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from calm.bench.bfcl import decode
from calm.bench.bfcl.simulators import Code, Simulators
from calm.conversation import Assistant, Step
from calm.errors import CalmError

DENIED = ("kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run")
FORCED = "multi_turn:force_terminated"
_NAME = re.compile(r"\b([a-zA-Z_]\w*)\s*(?=\()")
_RAISED = "Error during execution: "


class Entry(NamedTuple):
    """One multi-turn item: the classes involved, what they start from, and the truth's calls by turn."""

    id: str
    category: str
    turns: list[list[dict[str, str]]]
    held_out: dict[str, list[str]]
    classes: list[str]
    config: dict[str, Any]
    truth: list[list[str]]


def error_of(entry: Entry, output: Any, version: str, decoder: str = "prompt") -> str | None:
    """Upstream's error type for `[[step text, ...], ...]`, one list a turn; None when every turn is right."""
    if not isinstance(output, list):
        return "multi_turn:inference_error"
    if len(output) != len(entry.truth):
        return FORCED
    turns = (turn if isinstance(turn, list) else [] for turn in output)
    return fault(entry, ([executable(step, version, decoder) for step in turn] for turn in turns), version)


def fault(entry: Entry, turns: Iterable[Sequence[Sequence[str]]], version: str) -> str | None:
    """Upstream's error type for the calls of each step of each turn (as many turns as the truth has), played afresh."""
    code = Code(version)
    model, truth = (Side(entry, code, name) for name in ("model", "truth"))
    for steps, right in zip(turns, entry.truth, strict=True):
        made = [model.run(calls) for calls in steps if calls]
        wanted = truth.run(right)
        if error := _turn(model, truth, made, right, wanted):
            return error
    return None


def _turn(model: "Side", truth: "Side", made: Sequence[Any], right: Sequence[str], wanted: list[str]) -> str | None:
    if not right:
        return None  # nothing is checked where the truth calls nothing (upstream since November 2024)
    if not made:
        return "multi_turn:empty_turn_model_response"
    if any(_differ(mine, its) for mine, its in _pairs(model, truth)):
        return "multi_turn:instance_state_mismatch"
    left = list(model.said)
    for result in wanted:
        if result not in left:
            return "multi_turn:execution_response_mismatch"
        left.remove(result)
    return None


def _pairs(model: "Side", truth: "Side") -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    mine, its = model.objects.state(), truth.objects.state()
    return ((mine[name], its[name]) for name in its)


def _differ(mine: Mapping[str, Any], its: Mapping[str, Any]) -> bool:
    return any(mine[key] != value for key, value in its.items())


class Side:
    """One side of an entry, model or truth: its objects, and everything they have answered so far."""

    def __init__(self, entry: Entry, code: Code, name: str) -> None:
        self.objects = Simulators(code, entry.classes, entry.config, "long_context" in entry.category)
        self._name = f"{name}_{re.sub(r'[-./:]', '_', entry.id)}"
        self.said: list[str] = []

    def run(self, calls: Sequence[str]) -> list[str]:
        """What the calls give, as the text a model is shown; errors are text too."""
        results = [self._result(call) for call in calls]
        self.said += results
        return results

    def _result(self, call: str) -> str:
        owners = self.objects.owners
        text = _NAME.sub(lambda m: f"{self._object(m[1])}.{m[1]}" if m[1] in owners else m[1], call)
        try:
            head = text.split("(")[0].split(".")
            name = head[1] if len(head) > 1 else head[0]
            if name in DENIED:
                raise PermissionError(f"Function call {name} is not allowed.")
            return _shown(self._value(decode.expression(text)))
        except CalmError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a simulator raises is its answer, as upstream has it
            return f"{_RAISED}{error}"

    def _object(self, method: str) -> str:
        return f"{self._name}_{self.objects.owners[method]}_instance"

    def _value(self, node: ast.expr) -> Any:
        """The value of an expression: calls by table, everything else a literal."""
        if isinstance(node, ast.Call):
            given = [self._value(argument) for argument in node.args]
            return self._method(node.func)(*given, **self._named(node.keywords))
        if isinstance(node, ast.List | ast.Tuple):
            made = [self._value(item) for item in node.elts]
            return made if isinstance(node, ast.List) else tuple(made)
        if isinstance(node, ast.Dict):
            return {self._value(k): self._value(v) for k, v in zip(node.keys, node.values, strict=True) if k}
        if isinstance(node, ast.Name):
            raise NameError(f"name '{node.id}' is not defined")
        return decode.literal(node)

    def _named(self, keywords: Sequence[ast.keyword]) -> dict[str, Any]:
        return {word.arg: self._value(word.value) for word in keywords if word.arg}

    def _method(self, function: ast.expr) -> Any:
        known = isinstance(function, ast.Attribute) and function.attr in self.objects.owners
        if known and ast.unparse(function.value) == self._object(function.attr):
            return self.objects.methods[function.attr]
        first = next(node.id for node in ast.walk(function) if isinstance(node, ast.Name))
        raise NameError(f"name '{first}' is not defined")


def _shown(result: Any) -> str:
    if isinstance(result, str):
        return result
    if type(result) is not dict:
        return str(result)
    try:
        return json.dumps(result)
    except (TypeError, ValueError, RecursionError):
        return str(result)


# --- from a model's text to calls as text -----------------------------------------------------------------------------


def executable(output: Any, version: str, decoder: str = "prompt") -> list[str]:
    """The calls of one step as upstream writes them before it runs them; empty where there is nothing to run."""
    if decoder in _SPELLERS:
        return decode.read(_SPELLERS[decoder], output) or []
    decoded = decode.decode(output, decoder, version)
    try:
        calls = [f"{name}({_arguments(given)})" for call in decoded or [] for name, given in call.items()]
    except decode.UNREADABLE:
        return []
    return [] if calls == [""] else calls


def _function_calls(output: Any) -> list[str]:
    """OpenAI's tool calls `[{name: arguments as JSON text}]` (`convert_to_function_call`); their JSON will do."""
    listed = json.loads(output) if isinstance(output, str) else output
    calls = [listed] if isinstance(listed, dict) else listed
    pairs = [pair for call in calls for pair in call.items()]
    return [spelt(name, json.loads(given) if isinstance(given, str) else given) for name, given in pairs]


def _hammer(output: str) -> list[str]:
    """A JSON list of `{name, arguments}`, or an object that holds one as `tool_calls`; what is no JSON is none."""
    try:
        value = json.loads(output.replace("```", ""))
    except (ValueError, RecursionError):
        return []
    listed = value.get("tool_calls", []) if isinstance(value, dict) else value if isinstance(value, list) else []
    calls = listed if isinstance(listed, list) else [listed]
    return [spelt(call.get("name", ""), call.get("arguments", {})) for call in calls if isinstance(call, dict)]


def _xlam2(output: str) -> list[str]:
    return [spelt(name, given) for call in decode.xlam2(output) for name, given in call.items()]


_SPELLERS: dict[str, Callable[[Any], list[str]]] = {"fc": _function_calls, "hammer": _hammer, "xlam2": _xlam2}
"""Decoders of tool calls, each with its own way to the text that is run."""


def native(step: Step) -> list[str]:
    """The calls of one step in our own form, as text; a Garbled makes none."""
    calls = step.calls if isinstance(step, Assistant) else ()
    return [spelt(call.name, call.arguments) for call in calls]


def spelt(name: str, arguments: Mapping[str, Any]) -> str:
    """A native tool call as upstream spells it before it runs it (`convert_to_function_call`)."""
    return f"{name}({','.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _arguments(given: Mapping[Any, Any]) -> str:
    return ", ".join(f"{key}={_written(value)}" for key, value in given.items())


def _written(value: Any) -> str:
    """A value as source; a dict whose values are all dicts is taken for a call, so an empty one raises."""
    if not isinstance(value, dict):
        return repr(value)
    if all(isinstance(inner, dict) for inner in value.values()):
        name = list(value)[0]  # noqa: RUF015 - of nothing this is an IndexError, hence unreadable, as upstream
        return f"{name}({_arguments(value[name])})"
    return "{" + ", ".join(f"'{key}': {_written(inner)}" for key, inner in value.items()) + "}"
