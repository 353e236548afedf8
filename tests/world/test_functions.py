"""Functions as tools: the schema says what the function says, and nothing runs on wrong arguments."""

import asyncio
import enum
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from calm.conversation import Call
from calm.errors import UsageError
from calm.world.functions import Functions, ToolError, tool, tool_of, writes


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    title: str
    x: int = 0


class Tree(BaseModel):
    children: list["Tree"] = []


def paint(
    wall: str,
    size: Literal["small", "large"],
    coats: int = 2,
    colour: Colour = Colour.RED,
    note: str | None = None,
    at: list[Point] | None = None,
) -> dict[str, Any]:
    """Paint a wall.

    Args:
        wall: which wall,
            by name
        size: how much of it
        coats: layers of paint
    """
    return {"wall": wall, "size": size, "coats": coats, "colour": colour, "note": note, "at": at}


def ran(function, **arguments):
    return json.loads(Functions([function]).run(Call(name=function.__name__, arguments=arguments)))


def test_schema_holds_types_defaults_and_descriptions():
    tool = tool_of(paint)
    assert (tool.name, tool.description) == ("paint", "Paint a wall.")
    assert tool.parameters["required"] == ["wall", "size"]
    properties: Any = tool.parameters["properties"]
    assert properties["wall"] == {"type": "string", "description": "which wall, by name"}
    assert properties["size"] == {"type": "string", "description": "how much of it", "enum": ["small", "large"]}
    assert properties["coats"] == {"type": "integer", "description": "layers of paint", "default": 2}
    assert properties["colour"] == {"type": "string", "enum": ["red", "blue"], "default": "red"}
    assert properties["note"] == {"type": "string"}


def test_nested_models_are_written_out_and_keep_a_property_named_title():
    at: Any = tool_of(paint).parameters["properties"]["at"]  # ty: ignore[invalid-argument-type, not-subscriptable]
    assert at["items"]["properties"] == {"title": {"type": "string"}, "x": {"type": "integer", "default": 0}}
    assert "$" not in json.dumps(at)


class Odd(BaseModel):
    default: Point
    examples: list[Point]


def test_fields_that_are_called_like_keywords_are_written_out_too():
    def draw(odd: Odd) -> None: ...

    fields = tool_of(draw).parameters["properties"]["odd"]["properties"]
    assert fields["default"]["properties"]["x"] == {"type": "integer", "default": 0}
    assert "$ref" not in json.dumps(fields)


def test_optional_without_default_stays_nullable_and_required():
    def turn(angle: int | None) -> None: ...

    assert tool_of(turn).parameters == {
        "type": "object",
        "properties": {"angle": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "required": ["angle"],
    }


def test_annotated_fields_constrain_and_describe():
    def dial(level: Annotated[int, Field(ge=1, description="1 up")]) -> int:
        return level

    assert tool_of(dial).parameters["properties"] == {"level": {"type": "integer", "description": "1 up", "minimum": 1}}
    assert "'level' is 0" in ran(dial, level=0)["error"]


def test_a_union_with_none_keeps_its_other_branches():
    def look(key: int | str | None = None) -> None: ...

    assert tool_of(look).parameters["properties"] == {"key": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": "small"}, ["'wall'", "needs"]),
        ({"wall": "w", "size": "huge"}, ["'size'", "'huge'", "'small'", "'large'"]),
        ({"wall": "w", "size": "small", "coats": "many"}, ["'coats'", "'many'", "integer"]),
        ({"wall": "w", "size": "small", "hue": 7}, ["'hue'", "7", "colour"]),
        ({"wall": "w", "size": "small", "at": [{"title": "t", "x": "far"}]}, ["at.0.x", "'far'"]),
    ],
)
def test_wrong_arguments_name_argument_and_value_and_nothing_runs(arguments, words):
    called = []

    def spy(
        wall: str, size: Literal["small", "large"], coats: int = 2, colour: str = "", at: list[Point] | None = None
    ) -> None:
        called.append(wall)

    error = ran(spy, **arguments)["error"]
    assert [w for w in words if w not in error] == []
    assert called == []


def test_arguments_are_coerced_and_defaults_left_to_the_function():
    assert ran(paint, wall="w", size="small", coats="3", at=[{"title": "t"}]) == {
        "wall": "w",
        "size": "small",
        "coats": 3,
        "colour": "red",
        "note": None,
        "at": [{"title": "t", "x": 0}],
    }


def test_an_unknown_tool_is_an_error_that_lists_the_known_ones():
    assert "'brush'" in Functions([paint]).run(Call(name="brush", arguments={}))
    assert "paint" in Functions([paint]).run(Call(name="brush", arguments={}))


def test_a_tool_error_keeps_its_details():
    def refuse() -> None:
        raise ToolError("closed", open_from="09:00")

    assert ran(refuse) == {"error": "closed", "open_from": "09:00"}


def test_details_that_are_no_json_are_shown_and_the_error_is_still_told():
    def refuse() -> None:
        raise ToolError("closed", free=float("inf"), where=Functions, until="09:00")

    told = ran(refuse)
    assert (told["error"], told["free"], told["until"]) == ("closed", "inf", "09:00")
    assert "Functions" in told["where"]


def test_any_exception_becomes_an_observation_that_names_its_type():
    def crash() -> int:
        return 1 // 0

    assert ran(crash)["error"].startswith("crash failed: ZeroDivisionError")


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_a_result_that_is_no_json_becomes_an_error(value):
    def odd() -> Any:
        return value

    assert "odd failed" in ran(odd)["error"]


def test_models_and_dataclasses_come_back_as_objects():
    @dataclass
    class Pair:
        left: int
        right: Point

    def pair() -> Pair:
        return Pair(1, Point(title="t"))

    assert ran(pair) == {"left": 1, "right": {"title": "t", "x": 0}}


def test_a_long_result_is_cut_and_says_so():
    def long() -> str:
        return "x" * 500

    observation = Functions([long], limit=100).run(Call(name="long", arguments={}))
    assert observation.startswith('"xxx')
    assert observation.endswith("(cut: 502 characters, shown are the first 100)")


def test_writing_tools_are_known_by_name():
    @writes
    def delete() -> None: ...

    assert Functions([paint, delete]).writing == {"delete"}


def test_what_a_signature_cannot_say_is_said_by_marks():
    @tool(writes=True, idempotent=True, timeout=5)
    def put(key: str) -> None: ...

    box = Functions([put, paint])
    assert (box.writing, box.idempotent, box.timed) == ({"put"}, {"put"}, {"put"})
    assert put(key="k") is None


def test_async_functions_and_generators_of_both_kinds_are_waited_for_and_listed():
    async def later(x: int) -> int:
        await asyncio.sleep(0.01)
        return x + 1

    def count(to: int) -> Any:
        yield from range(to)

    async def drip(to: int) -> Any:
        for n in range(to):
            await asyncio.sleep(0)
            yield {"n": n}

    assert (ran(later, x=1), ran(count, to=3)) == (2, [0, 1, 2])
    assert ran(drip, to=2) == [{"n": 0}, {"n": 1}]


def test_async_functions_share_one_loop_so_that_what_one_opened_serves_the_next():
    async def loop() -> int:
        return id(asyncio.get_running_loop())

    assert ran(loop) == ran(loop)


def test_an_endless_generator_is_listed_until_there_is_more_than_can_be_shown():
    def forever() -> Any:
        yield from itertools.count()

    observation = Functions([forever], limit=60).run(Call(name="forever", arguments={}))
    assert observation.startswith("[0, 1, 2, 3")
    assert "(cut: " in observation


def test_a_slow_function_is_a_timeout_and_a_slow_async_one_is_cancelled():
    ended = []

    @tool(timeout=0.05)
    def sleeps() -> None:
        time.sleep(0.5)

    @tool(timeout=0.05)
    async def waits() -> None:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    assert ran(sleeps) == {"error": "sleeps failed: no answer within 0.05 s", "type": "timeout"}
    assert ran(waits)["type"] == "timeout"
    time.sleep(0.1)
    assert ended == ["cancelled"]


def test_a_typed_dict_and_a_date_go_in_and_come_back():
    class Stay(TypedDict):
        nights: int
        at: datetime

    def book(stay: Stay) -> Stay:
        return stay

    assert ran(book, stay={"nights": "2", "at": "2026-01-02T03:04:05Z"})["at"] == "2026-01-02T03:04:05Z"
    assert "stay.nights" in ran(book, stay={"nights": "x", "at": "2026-01-02"})["error"]


@pytest.mark.parametrize("value", [b"\x89PNG", {"a": [bytearray(b"x")]}])
def test_bytes_are_refused_rather_than_guessed_to_be_text(value):
    def picture() -> Any:
        return value

    assert "bytes" in ran(picture)["error"]


def test_a_check_finds_what_a_call_would_and_runs_nothing():
    box = Functions([paint])
    assert box.check(Call(name="paint", arguments={"wall": "w", "size": "small"})) is None
    assert "'size'" in str(box.check(Call(name="paint", arguments={"wall": "w"})))
    assert "'brush'" in str(box.check(Call(name="brush", arguments={})))


def test_a_hint_that_names_nothing_is_a_usage_error():
    def lost(x: "Nowhere") -> None: ...  # noqa: F821  # ty: ignore[unresolved-reference]

    with pytest.raises(UsageError, match="Nowhere"):
        tool_of(lost)


class Mute(Exception):
    def __str__(self) -> str:
        raise OSError("no words")


@pytest.mark.parametrize(
    ("error", "word"), [(SystemExit(2), "SystemExit: 2"), (Mute(), r"Mute: \(no message.*OSError")]
)
def test_a_tool_that_exits_or_cannot_say_what_went_wrong_ends_no_conversation(error, word):
    def leave() -> None:
        """Leave."""
        raise error

    assert re.search(word, Functions([leave]).run(Call(name="leave", arguments={})))


def test_methods_lose_self():
    class Shop:
        def buy(self, count: int) -> int:
            return count

    assert list(tool_of(Shop().buy).parameters["properties"]) == ["count"]  # ty: ignore[invalid-argument-type]


def many(*things: int) -> None: ...
def tree(root: Tree) -> None: ...
def strange(thing: Functions) -> None: ...
def calls_back(then: Callable[[], None]) -> None: ...
def lost(thing: "json.Nothing") -> None: ...
def endless(most: float = float("inf")) -> None: ...


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (many, "things"),
        (tree, "root"),
        (strange, "thing"),
        (lambda: 1, "name"),
        (partial(many), "name"),
        (calls_back, "then"),
        (lost, "Nothing"),
        (endless, "most"),
        (max, "max"),
    ],
)
def test_functions_that_cannot_be_tools_are_refused_with_the_reason(function, word):
    with pytest.raises(UsageError, match=word):
        tool_of(function)


def test_two_functions_of_one_name_are_refused():
    with pytest.raises(UsageError, match="paint"):
        Functions([paint, paint])
