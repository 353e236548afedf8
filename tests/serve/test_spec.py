"""The OpenAPI document says what the routes are, read and give."""

from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from calm.conversation import Assistant, Call
from calm.policy.scripted import Scripted
from calm.serve import app, responses, wire
from calm.serve.http import PARTS, Settings
from calm.serve.run import background
from calm.world.town import Town

STEP = Assistant(thought="so", calls=(Call(name="f", arguments={"a": 1}),))
FUNCTION = {"type": "function", "function": {"name": "f"}}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [FUNCTION]}
ITEMS = {"model": "m", "input": "x", "tools": [{"type": "function", "name": "f"}]}


@pytest.fixture(scope="module")
def client():
    policy = Scripted([STEP] * 99, name="m")
    with background(app(policy, None, Town(), "town")) as url, httpx.Client(base_url=url) as made:
        yield made


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def schema(document, name):
    return {"components": document["components"], "$ref": f"#/components/schemas/{name}"}


def test_every_route_for_programs_is_in_it(document):
    made: Any = app(Scripted([], name="m")).routes
    routes = {(route.path, method.lower()) for route in made for method in route.methods - {"HEAD"}}
    page = {(path, "get") for path in ("/", "/openapi.json", *(f"/{part}" for part in PARTS))}
    assert {(path, m) for path, said in document["paths"].items() for m in said} == routes - page


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/v1/chat/completions", CHAT),
        ("post", "/v1/chat/completions", {**CHAT, "n": 2}),
        ("post", "/v1/chat/completions", {**CHAT, "model": "other"}),
        ("post", "/v1/responses", ITEMS),
        ("post", "/v1/responses", {}),
        ("post", "/agent/undo", {"session": "x"}),
        ("get", "/v1/models", None),
        ("get", "/agent", None),
        ("get", "/agent/save", None),
        ("get", "/health", None),
    ],
)
def test_what_comes_back_is_what_it_says(client, document, method, path, body):
    reply = client.request(method, path, json=body)
    said = document["paths"][path][method]["responses"][str(reply.status_code)]["content"]["application/json"]["schema"]
    Draft202012Validator({"components": document["components"], **said}).validate(reply.json())


def test_every_option_that_is_read_is_described(document):
    schemas = document["components"]["schemas"]
    chat, items = (schemas[name]["properties"].keys() for name in ("ChatRequest", "ResponseRequest"))
    assert (wire.READ | wire.FINE.keys()) - chat == {"max_output_tokens"}
    assert (responses.READ | responses.FINE.keys()) - items == {"max_tokens", "max_completion_tokens"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "other"},
        {"messages": []},
        {"n": 2},
        {"stop": [""]},
        {"max_tokens": 0},
        {"tool_choice": "perhaps"},
        {"tools": [{"type": "function", "function": {"name": "a\nb"}}]},
        {"messages": [{"role": "wizard", "content": "x"}]},
    ],
)
def test_what_it_forbids_is_refused_and_what_it_allows_is_answered(client, document, wrong):
    asked = Draft202012Validator(schema(document, "ChatRequest"))
    assert (asked.is_valid(CHAT), asked.is_valid(CHAT | wrong)) == (True, False)
    statuses = [client.post("/v1/chat/completions", json=body).status_code for body in (CHAT, CHAT | wrong)]
    assert statuses in ([200, 400], [200, 404])


def test_a_server_with_a_key_says_where_it_goes():
    with background(app(Scripted([], name="m"), Settings(api_key="k"))) as url:
        document = httpx.get(f"{url}/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    locked = {path for path, said in document["paths"].items() for route in said.values() if "security" in route}
    assert document["paths"].keys() - locked == {"/health"}
