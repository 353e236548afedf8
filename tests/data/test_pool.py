"""The tool pool: clean schemas of two corpora, counted drops, distractors that distract and nothing more."""

import gzip
import json
import pickle
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calm.conversation import TOOL_NAME, Call, Tool
from calm.data import calls, pool
from calm.errors import DataError, HubError

KEYWORDS = {"type", "description", "enum", "default", "items", "properties", "required", "format", "minimum", "maximum"}


def seal(name, **more) -> dict[str, Any]:
    given = {"api_name": name, "api_description": "Look a thing up.", "field": "Things/Small", "parameters": {}}
    return {**given, "required": [], **more}


def server(*tools) -> str:
    return json.dumps({"metadata": {"remote_server_response": {"tools": list(tools)}}})


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Writes a small pool of both corpora and points CALM_DATA at it."""

    def write(rows, tools=()):
        folder = tmp_path / "seal_tools"
        folder.mkdir(exist_ok=True)
        (folder / "tool.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
        with zipfile.ZipFile(tmp_path / pool.ARCHIVE, "w") as archive:
            archive.writestr("mcp_servers/0001.one_labeled.json", server(*tools))
        monkeypatch.setenv("CALM_DATA", str(tmp_path))
        pool._load.cache_clear()
        return pool.load()

    yield write
    pool._load.cache_clear()


def mcp(name, text, schema) -> dict[str, Any]:
    return {"name": name, "description": text, "input_schema": schema}


def simple(schema):
    """Every keyword in a schema and below is one of the subset, and every type one of JSON's."""
    assert set(schema) <= KEYWORDS | {"anyOf"}
    assert schema.get("type", "string") in ("string", "integer", "number", "boolean", "array", "object")
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for value in [*inner, *([schema["items"]] if "items" in schema else [])]:
        simple(value)


def test_the_real_pool_is_clean_and_accounts_for_every_raw_tool(corpora):
    loaded = pool.load()
    assert len(loaded.tools) + sum(loaded.dropped.values()) == 4076 + 6044
    assert sum(pooled.origin == "seal_tools" for pooled in loaded.tools) == 4076
    assert len(loaded.tools) > 8000
    for pooled in loaded.tools:
        assert TOOL_NAME.match(pooled.tool.name)
        assert 0 < len(pooled.tool.description) <= calls.LONGEST
        schema: Any = pooled.tool.parameters
        simple(schema)
        assert set(schema.get("required", ())) <= set(schema["properties"])
    assert pickle.loads(pickle.dumps(loaded.tools[:50])) == loaded.tools[:50]


def test_what_is_dropped_says_why(made):
    good = mcp("fetch_page", "Fetch a web page.", {"type": "object", "properties": {"url": {"type": "string"}}})
    bad = [
        mcp("!pg", "Query a database.", {}),
        mcp("silent", "", {}),
        mcp("wetter", "Das Wetter für die Stadt und das Land mit der Karte.", {}),
        mcp("tianqi", "查询天气", {}),
        mcp("torn", "Get gems.", {"properties": {"type": "object", "properties": {}}}),
        mcp("odd", "Get an odd thing.", {"properties": {"two words": {"type": "string"}}}),
        mcp("long", "Get a lot.", {"properties": {f"p{i}": {"type": "string"} for i in range(300)}}),
        mcp("strange", "Get a thing.", {"properties": {"x": {"type": "np.ndarray"}}}),
        good,
    ]
    loaded = made([seal("getThing")], [good, *bad])
    assert [pooled.tool.name for pooled in loaded.tools] == ["getThing", "fetch_page"]
    assert [(pooled.origin, pooled.group) for pooled in loaded.tools] == [
        ("seal_tools", "Things/Small"),
        ("toucan", "one"),
    ]
    assert loaded.dropped == {
        "name is no tool name": 1,
        "no description": 1,
        "not in English": 2,
        "parameter without a schema": 1,
        "parameter type that cannot be read": 1,
        "parameter without a usable name": 1,
        "longer than 4000 characters": 1,
        "name and description of an earlier tool": 1,
    }


def test_a_docstring_gives_its_parameters_their_descriptions(made):
    text = "Fetch posts.\n\nArgs:\n    subreddit: Where to look\n    limit (int): How many\n\nReturns:\n    text"
    schema = {"properties": {"subreddit": {"title": "Subreddit", "type": "string"}, "limit": {"type": "integer"}}}
    tool = made([], [mcp("posts", text, schema)]).tools[0].tool
    assert tool.description == "Fetch posts."
    assert tool.parameters["properties"] == {
        "subreddit": {"type": "string", "description": "Where to look"},
        "limit": {"type": "integer", "description": "How many"},
    }


def test_a_missing_corpus_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CALM_DATA", str(tmp_path))
    with pytest.raises(HubError, match="seal_tools"):
        pool.pool()
    (tmp_path / "seal_tools").mkdir()
    with pytest.raises(HubError, match=pool.ARCHIVE):
        pool.pool()


def test_a_broken_archive_is_named(made, tmp_path):
    made([seal("getThing")])
    (tmp_path / pool.ARCHIVE).write_bytes(b"no zip")
    pool._load.cache_clear()
    with pytest.raises(DataError, match=f"{pool.ARCHIVE}: is no archive"):
        pool.pool()


def test_distractors_share_no_name_and_are_no_twins(corpora):
    for pooled in pool.pool()[:400:7]:
        others = pool.unrelated([pooled.tool], 6, "row", pooled.tool.name)
        near = pool.siblings(pooled.group, [pooled.tool], 3, pooled.tool.name)
        assert len(others) == 6
        for other in (*others, *near):
            assert pool.spelled(other.name) != pool.spelled(pooled.tool.name)
            assert pool.closeness(other, pooled.tool) < pool.TWIN
        assert others == pool.unrelated([pooled.tool], 6, "row", pooled.tool.name)
        assert {tool.name for tool in near} <= {p.tool.name for p in pool.pool() if p.group == pooled.group}


def test_twins_are_seen_in_any_spelling_and_by_what_they_say():
    one = Tool(name="getUserInfo", description="Retrieve the profile of a member by account number")
    assert pool.closeness(one, Tool(name="get_user_info", description="Something else entirely")) == 1
    assert (
        pool.closeness(one, Tool(name="lookup", description="Get the profile of one member by its account number"))
        > 0.6
    )
    assert pool.closeness(one, Tool(name="sendFax", description="Send a fax to a printer")) == 0


# --- schemas and calls -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("str, optional", {"type": "string"}),
        ("List[int]", {"type": "array", "items": {"type": "integer"}}),
        ("Optional[List[Dict[str, int]]]", {"type": "array", "items": {"type": "object"}}),
        ("Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("float | None", {"type": "number"}),
        (["string", "null"], {"type": "string"}),
        ("union", {}),
        ("any", {}),
    ],
)
def test_types_in_any_words_become_json_schema(stated, found):
    assert calls.schema({"type": stated}) == found


def test_references_are_written_out_and_a_loop_is_cut():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "kind": {"const": "a"}}}
    found = calls.schema({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    assert found["properties"]["kind"] == {"type": "string", "enum": ["a"]}
    simple(found)
    assert len(json.dumps(found)) < 3000


def test_an_optional_branch_is_its_other_branch_and_keeps_its_words():
    given = {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
        "default": None,
        "title": "N",
        "description": "How many.",
    }
    assert calls.schema(given) == {"type": "integer", "description": "How many.", "minimum": 1}


def test_a_long_description_ends_with_a_sentence():
    text = "It does this. " * 40
    assert calls.short(text).endswith("this.")
    assert len(calls.short("word " * 200)) <= calls.LONGEST
    assert calls.short("word " * 200).endswith("word ...")


TOOL = Tool(
    name="book",
    parameters=calls.parameters(
        {
            "day": {"type": "str"},
            "people": {"type": "integer", "minimum": 1, "maximum": 9},
            "seat": {"enum": ["in", "out"]},
            "extras": {"type": "List[str], optional"},
            "guest": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        },
        ["day", "people"],
    ),
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"day": "Monday", "people": 2}, None),
        ({"day": "Monday", "people": 2, "seat": "in", "extras": ["dog"], "guest": {"name": "Ann"}}, None),
        ({"day": "Monday"}, "book: people is missing"),
        ({"day": "Monday", "people": "2"}, "book: people is '2', not integer"),
        ({"day": "Monday", "people": True}, "book: people is True, not integer"),
        ({"day": "Monday", "people": 12}, "book: people is 12, outside 1..9"),
        ({"day": "Monday", "people": 2, "seat": "up"}, "book: seat is 'up', not one of 'in', 'out'"),
        ({"day": "Monday", "people": 2, "extras": ["dog", 3]}, "book: extras[1] is 3, not string"),
        ({"day": "Monday", "people": 2, "guest": {}}, "book: guest.name is missing"),
        ({"day": "Monday", "people": 2, "hour": 7}, "book: hour is not known"),
    ],
)
def test_a_call_is_held_against_its_schema(arguments, told):
    assert calls.fault(Call(name="book", arguments=arguments), [TOOL]) == told


def test_a_call_of_no_tool_is_faulty_and_spellings_are_mended():
    assert calls.fault(Call(name="cook", arguments={}), [TOOL]) == "no tool 'cook'"
    mended = calls.fitted(Call(name="book", arguments={"day": 7, "people": "2", "extras": [1]}), [TOOL])
    assert mended.arguments == {"day": "7", "people": 2, "extras": ["1"]}
    kept = calls.fitted(Call(name="book", arguments={"people": "two", "hour": "7"}), [TOOL])
    assert kept.arguments == {"people": "two", "hour": "7"}


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYWORDS, "$ref", "$defs", "allOf", "anyOf", "oneOf", "const", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*KEYWORDS, "anyOf", "allOf", "$ref"]), nested))
def test_any_json_becomes_a_schema_of_the_subset_or_is_refused(value):
    try:
        found = calls.schema(value)
    except ValueError:
        return
    simple({key: inner for key, inner in found.items() if inner != {"type": "null"}})
    assert calls.schema(found) == found
