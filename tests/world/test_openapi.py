"""OpenAPI documents as tools, against a real small server that says what it received."""

import json
import threading
import time
from urllib.parse import unquote

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from calm.conversation import TOOL_NAME, Call
from calm.errors import CalmError, DataError, HubError, UsageError
from calm.world.openapi import OpenAPI
from calm.world.openapi_document import Described, read_document
from calm.world.openapi_request import key_name
from calm.world.schemas import wrong

SPEC = """
openapi: 3.0.3
info: {title: Petshop, version: "1"}
servers: [{url: "http://{host}/v{major}", variables: {host: {default: HOST}, major: {default: "1", enum: ["1"]}}}]
security: [{Token: []}]
paths:
  /pets/{id}:
    parameters: [{$ref: "#/components/parameters/Id"}]
    get:
      operationId: pets.get
      summary: One pet
      parameters:
        - {name: id, in: query, schema: {type: string}, description: another id}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: session, in: cookie, schema: {type: string}}
        - {name: tags, in: query, schema: {type: array, items: {type: string}}}
        - {name: ids, in: query, explode: false, schema: {type: array, items: {type: integer}}}
        - {name: where, in: query, style: deepObject, explode: true, schema: {type: object}}
        - {name: filter, in: query, content: {application/json: {schema: {type: object}}}}
        - {name: Authorization, in: header, schema: {type: string}}
    delete: {operationId: drop, security: [{Basic: []}]}
  /pets:
    post:
      operationId: add
      security: []
      parameters: [{name: name, in: query, schema: {type: string, nullable: true}}]
      requestBody: {required: true, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
  /notes:
    put: {operationId: note, security: [], requestBody: {content: {text/plain: {schema: {type: string}}}}}
    post:
      operationId: form
      security: [{Query: []}, {Cookie: []}]
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {$ref: "#/components/schemas/Form"}}}}
    patch: {operationId: upload, requestBody: {content: {image/png: {}}}}
  /status/{code}:
    get:
      security: []
      parameters: [{$ref: "#/components/parameters/Id"}, {name: code, in: path, schema: {type: integer}}]
  /do/{what}:
    get:
      operationId: do
      security: []
      parameters:
        - {name: what, in: path, schema: {enum: [no, away, near, image, big, odd, slow, empty, dead, sheet, login]}}
components:
  parameters: {Id: {name: id, in: path, required: true, schema: {type: string}, description: which}}
  securitySchemes:
    Token: {type: http, scheme: bearer}
    Basic: {type: http, scheme: basic}
    Query: {type: apiKey, in: query, name: api_key}
    Cookie: {type: apiKey, in: cookie, name: sid}
  schemas:
    Named: {type: object, required: [name], properties: {name: {type: string, format: password}}}
    Form: {type: object, properties: {a: {type: string}, many: {type: array, items: {type: string}}}}
    Pet:
      allOf:
        - {$ref: "#/components/schemas/Named"}
        - type: object
          required: [id]
          properties:
            id: {type: integer, readOnly: true}
            age: {type: integer, minimum: 0, exclusiveMinimum: true, xml: {name: a}}
            parent: {$ref: "#/components/schemas/Pet"}
"""


async def echo(request: Request) -> Response:
    raw = request.scope["raw_path"].decode()
    return JSONResponse(
        {
            "method": request.method,
            "path": raw,
            "query": request.query_params.multi_items(),
            "headers": {k: v for k, v in request.headers.items() if k in ("x-trace", "authorization", "content-type")},
            "cookies": request.cookies,
            "body": (await request.body()).decode(),
        }
    )


async def do(request: Request) -> Response:
    what = request.path_params["what"]
    if what == "slow":
        time.sleep(1.5)
    answers = {
        "away": RedirectResponse("http://localhost:1/steal"),
        "near": RedirectResponse("no"),
        "image": Response(b"\x89PNG", media_type="image/png"),
        "big": PlainTextResponse("x" * 3_000_000),
        "odd": Response('"é"'.encode(), headers={"content-type": "text/plain; charset=utf-99"}),
        "empty": Response(status_code=204),
        "sheet": Response(b"PK", media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        "login": Response("{}", headers={"set-cookie": "sid=mine; Path=/"}),
    }
    return answers.get(what, JSONResponse({"did": what}))


async def status(request: Request) -> Response:
    return JSONResponse({"detail": "so it is"}, request.path_params["code"])


ROUTES = [
    Route("/v1/status/{code:int}", status),
    Route("/v1/do/{what}", do),
    Route("/spec.yaml", lambda request: PlainTextResponse(SPEC)),
    Route("/{rest:path}", echo, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
]


@pytest.fixture(scope="module")
def host():
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=ROUTES), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def api(host, tmp_path, monkeypatch):
    """The API with all its keys set."""
    for scheme in ("Token", "Basic", "Query", "Cookie"):
        monkeypatch.setenv(key_name(f"http://{host}", scheme), f"secret-{scheme}:x")
    (tmp_path / "spec.yaml").write_text(SPEC.replace("HOST", host))
    return OpenAPI.at(str(tmp_path / "spec.yaml"), timeout=1.0)


def told(api, tool, **arguments):
    return json.loads(api.run(Call(name=tool, arguments=arguments)))


def schema(api, name):
    return next(tool.parameters for tool in api.tools if tool.name == name)


def test_operations_become_tools_with_valid_names_and_the_rest_says_why(api):
    assert [tool.name for tool in api.tools] == ["pets_get", "drop", "add", "form", "note", "get_status_code", "do"]
    assert api.writing == {"drop", "add", "note", "form"}
    assert api.idempotent == {"pets_get", "drop", "note", "do", "get_status_code"}
    assert "image/png" in api.skipped["PATCH /notes"]
    assert list(schema(api, "get_status_code")["properties"]) == ["code"]


def test_parameters_of_all_places_are_one_flat_schema_and_clashes_get_their_place(api):
    known = schema(api, "pets_get")
    assert list(known["properties"]) == ["id", "query_id", "tags", "ids", "where", "filter", "X-Trace", "session"]
    assert known["required"] == ["id"]
    assert known["properties"]["query_id"]["description"] == "another id"


def test_bodies_are_written_out_cut_where_they_recur_and_without_what_only_the_server_sets(api):
    known = schema(api, "add")
    assert known["required"] == ["body_name"]
    assert known["properties"]["name"] == {"type": ["string", "null"]}
    assert known["properties"]["age"] == {"type": "integer", "exclusiveMinimum": 0}
    assert set(known["properties"]) == {"name", "body_name", "age", "parent"}
    assert known["properties"]["parent"] == {}
    assert "$ref" not in json.dumps(known)


def test_every_argument_arrives_where_it_belongs(api):
    heard = told(
        api, "pets_get", id="7", query_id="8", tags=["a", "b&c"], ids=[1, 2], where={"x": 1}, filter={"y": [2]},
        session="ü;", **{"X-Trace": "t"},
    )  # fmt: skip
    assert (heard["method"], heard["path"]) == ("GET", "/v1/pets/7")
    assert heard["query"] == [
        ["id", "8"], ["tags", "a"], ["tags", "b&c"], ["ids", "1,2"], ["where[x]", "1"], ["filter", '{"y": [2]}'],
    ]  # fmt: skip
    assert heard["headers"]["x-trace"] == "t"
    assert unquote(heard["cookies"]["session"]) == "ü;"


def test_bodies_arrive_as_json_form_or_text(api):
    heard = told(api, "add", name="n", body_name="Tom", age="3")
    assert (json.loads(heard["body"]), heard["query"]) == ({"name": "Tom", "age": 3}, [["name", "n"]])
    assert heard["headers"]["content-type"] == "application/json"
    assert told(api, "form", a="1 2", many=["x", "y"])["body"] == "a=1+2&many=x&many=y"
    assert told(api, "note", body="plain")["body"] == "plain"


@pytest.mark.parametrize("value", ["../admin", "a/b?c=d#e", "%2e%2e", "x y", "ä"])
def test_a_path_argument_cannot_leave_its_segment(api, value):
    path = told(api, "pets_get", id=value)["path"]
    assert path.startswith("/v1/pets/")
    assert unquote(path.removeprefix("/v1/pets/")) == value
    assert path.count("/") == 3


@pytest.mark.parametrize("value", ["t\r\nAuthorization: mine", "t\nx: y", "ü"])
def test_a_header_argument_cannot_write_another_header(api, value):
    refused = told(api, "pets_get", id="7", **{"X-Trace": value})
    assert "secret" not in str(refused)
    assert refused["type"] == "argument"
    assert "X-Trace" in refused["error"]


@pytest.mark.parametrize("value", ["..", ".", ""])
def test_a_path_argument_that_names_nothing_is_refused(api, value):
    assert told(api, "pets_get", id=value)["type"] == "argument"


@pytest.mark.parametrize(("tool", "arguments", "words"), [
    ("pets_get", {}, ["needs 'id'"]),
    ("pets_get", {"id": "1", "colour": "red"}, ["'colour'", "'red'", "X-Trace"]),
    ("do", {"what": "dance"}, ["'what'", "'dance'", "'no'"]),
    ("add", {"body_name": "x", "age": 0}, ["'age'", "0"]),
    ("feed", {}, ["'feed'", "pets_get"]),
])  # fmt: skip
def test_wrong_arguments_are_named_and_nothing_is_sent(api, tool, arguments, words):
    error = told(api, tool, **arguments)["error"]
    assert [word for word in words if word not in error] == []


def test_keys_go_where_the_document_says_and_never_come_back(api):
    assert told(api, "pets_get", id="1")["headers"]["authorization"] == "Bearer ***"
    assert told(api, "drop", id="1")["headers"]["authorization"] == "Basic ***"
    assert told(api, "form", a="1")["query"] == [["api_key", "***"]]
    assert "authorization" not in told(api, "note", body="x")["headers"]


def test_a_missing_key_is_named_by_its_variable(api, host, monkeypatch):
    name = key_name(f"http://{host}", "Token")
    monkeypatch.delenv(name)
    assert name in told(api, "pets_get", id="1")["error"]
    assert api.missing == (name,)


def test_the_second_way_to_prove_oneself_is_taken_when_only_it_is_there(api, host, monkeypatch):
    monkeypatch.delenv(key_name(f"http://{host}", "Query"))
    heard = told(api, "form", a="1")
    assert (heard["query"], list(heard["cookies"])) == ([], ["sid"])


def test_hosts_never_share_the_name_of_a_key():
    names = {key_name(f"https://{host}/x", "k") for host in ("a.b.c", "a-b.c", "a.b-c", "a--b.c", "ab.c", "a.b.c:1")}
    assert len(names) == 6


def test_a_redirect_is_followed_at_home_and_refused_elsewhere(api):
    assert told(api, "do", what="near") == {"did": "no"}
    away = told(api, "do", what="away")
    assert away["type"] == "redirect"
    assert "localhost" in away["error"]


def test_answers_that_are_no_json_are_said_and_long_ones_are_cut(api):
    assert told(api, "do", what="empty") == {"status": 204}
    assert told(api, "do", what="image") == {"status": 200, "note": "4 bytes of image/png are not shown"}
    assert told(api, "do", what="odd") == "é"
    assert told(api, "do", what="sheet")["note"].startswith("2 bytes of application/vnd.openxml")
    big = api.run(Call(name="do", arguments={"what": "big"}))
    assert len(big) < 4100
    assert big.endswith("shown are the first 4000)")


def test_a_cookie_that_an_answer_sets_reaches_no_other_call(api):
    told(api, "do", what="login")
    assert told(api, "pets_get", id="7")["cookies"] == {}


def asked(host, schema, path="/a", **operation):
    """The one tool of a document with one POST."""
    content = {"content": {"application/json": {"schema": schema}}, "required": True}
    return OpenAPI({"paths": {path: {"post": {"requestBody": content, **operation}}}}, server=f"http://{host}")


def test_a_body_that_must_be_there_is_sent_without_arguments_too(host):
    sent = told(asked(host, {"type": "object", "properties": {"x": {"type": "integer"}}}), "post_a")
    assert (sent["body"], sent["headers"]["content-type"]) == ("{}", "application/json")


def test_a_whole_number_in_a_path_is_written_whole_and_an_empty_list_is_refused(host):
    listed = {"name": "n", "in": "path", "style": "form", "schema": {"type": ["integer", "array"]}}
    api = asked(host, {}, "/a/{n}", operationId="f", parameters=[listed])
    assert told(api, "f", n=3.0, body=1)["path"] == "/a/3"
    assert told(api, "f", n=[], body=1)["type"] == "argument"


def test_what_only_the_server_sets_is_not_asked_for_by_another_part(host):
    parts = [{"properties": {"id": {"readOnly": True}}}, {"required": ["id", "name"], "properties": {"name": {}}}]
    (tool,) = asked(host, {"type": "object", "properties": {"pet": {"allOf": parts}}}).tools
    assert tool.parameters["properties"]["pet"]["required"] == ["name"]


@pytest.mark.parametrize(("value", "kept"), [
    ({"default": float("nan")}, {}), ({"default": {1: 2}}, {"default": {"1": 2}}), ({"enum": [b"x"]}, {}),
    ({"const": {1}}, {}), ({"minimum": float("inf"), "type": "number"}, {"type": "number"}),
])  # fmt: skip
def test_values_that_json_does_not_know_are_left_out_of_a_schema(host, value, kept):
    (tool,) = asked(host, {"type": "object", "properties": {"x": value}}).tools
    assert tool.parameters["properties"]["x"] == kept


def test_scalars_are_those_of_yaml_1_2(tmp_path):
    written = "[10:30, 010, 0o14, 0x1F, 1e3, 1_000, -1.5, +2, no, 2024-01-01, ~, true]"
    (tmp_path / "spec.yaml").write_text(f"openapi: 3.1.0\npaths: {{}}\nx-all: {written}")
    read = read_document(str(tmp_path / "spec.yaml"))["x-all"]
    assert read == ["10:30", 10, 12, 31, 1000.0, "1_000", -1.5, 2, "no", "2024-01-01", None, True]


def test_a_slow_server_is_a_timeout_and_a_dead_one_is_unavailable(api, tmp_path):
    assert told(api, "do", what="slow")["type"] == "timeout"
    dead = OpenAPI.at(f"{tmp_path / 'spec.yaml'}@http://127.0.0.1:9")
    assert told(dead, "do", what="dead")["type"] == "unavailable"


@pytest.mark.parametrize(("code", "kind"), [(404, "status"), (503, "unavailable"), (429, "unavailable")])
def test_a_refusal_holds_status_body_and_whether_to_try_again(host, code, kind):
    path = {"get": {"parameters": [{"name": "code", "in": "path", "schema": {"type": "integer"}}]}}
    api = OpenAPI({"paths": {"/status/{code}": path}}, server=f"http://{host}/v1")
    error = told(api, "get_status_code", code=code)
    assert (error["status"], error["type"], error["body"]) == (code, kind, {"detail": "so it is"})
    assert error["error"].startswith(f"GET /status/{{code}} answered {code}")


def test_only_operations_that_fit_a_pattern_become_tools(api, tmp_path):
    where = str(tmp_path / "spec.yaml")
    assert [tool.name for tool in OpenAPI.at(where, include=["GET /pets*", "note"]).tools] == ["pets_get", "note"]
    with pytest.raises(UsageError, match=r"no operation fits x\*"):
        OpenAPI.at(where, include=["x*"])


def test_a_document_can_come_from_the_server_itself(host):
    api = OpenAPI.at(f"http://{host}/spec.yaml@http://{host}/v1")
    assert told(api, "note", body="x")["path"] == "/v1/notes"
    with pytest.raises(HubError, match="answers 404"):
        read_document(f"http://{host}/v1/do/x/y/../../../../v1/status/404")


@pytest.mark.parametrize(("text", "words"), [
    ("swagger: '2.0'", "Swagger 2.0"), ("[1, 2", "neither JSON nor YAML"), ("a: 1", "no OpenAPI 3"),
    ("", "no OpenAPI 3"), ("openapi: 3.1.0", "no `paths`"),
])  # fmt: skip
def test_what_is_no_document_is_refused_with_the_reason(tmp_path, text, words):
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(DataError, match=words):
        read_document(str(tmp_path / "spec.yaml"))


def test_references_that_lead_out_nowhere_or_in_a_circle_skip_their_operation():
    paths = {f"/{n}": {"get": {"parameters": [{"$ref": ref}]}} for n, ref in enumerate(["x.yaml#/a", "#/gone", "#/c"])}
    described = Described({"paths": paths, "c": {"$ref": "#/c"}}, "http://h")
    whys = list(described.skipped.values())
    assert ["out of" in whys[0], "nowhere" in whys[1], "itself" in whys[2]] == [True, True, True]


def test_a_schema_that_would_explode_is_cut():
    schemas = {
        f"S{n}": {"type": "object", "properties": {k: {"$ref": f"#/s/S{n + 1}"} for k in "abcd"}} for n in range(20)
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/s/S0"}}}}
    described = Described({"paths": {"/": {"post": {"requestBody": body}}}, "s": schemas}, "http://h")
    assert len(json.dumps(described.operations["post"].tool.parameters)) < 500_000


WORDS = ["parameters", "requestBody", "content", "application/json", "schema", "$ref", "#/paths", "#", "get", "post",
         "name", "in", "path", "query", "header", "type", "object", "array", "properties", "items", "allOf", "required",
         "servers", "url", "security", "components", "securitySchemes", "/a/{b}", "b", "description", "enum", "pattern",
         "minimum", "default", "readOnly", "nullable", "variables", "operationId"]  # fmt: skip
rubbish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=25,
)
operations = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("parameters", "requestBody", "servers", "security", "operationId", "summary"), rubbish),
)


@settings(max_examples=150)
@given(operation=operations, schema=rubbish, more=st.dictionaries(st.sampled_from(WORDS), rubbish, max_size=4))
def test_any_document_becomes_tools_or_reasons_never_a_crash(operation, schema, more):
    body = {"content": {"application/json": {"schema": schema}}}
    paths = {"/a/{b}": {"get": operation}, "/c": {"post": {"requestBody": body}}, "/d": more}
    described = Described({"paths": paths, **more}, "http://h")
    assert all(TOOL_NAME.match(name) for name in described.operations)
    for op in described.operations.values():
        assert isinstance(wrong({"b": "1", "": 2}, op.tool), str)


@pytest.mark.parametrize("document", [{}, {"servers": [{"url": "http://[bad"}], "paths": {"/a": {"get": {}}}}])
def test_a_document_without_paths_or_with_a_server_that_is_none_is_one_line(document):
    with pytest.raises(UsageError, match="no operation can be called"):
        OpenAPI(document)


def test_nothing_that_can_be_called_is_an_error_of_one_line():
    with pytest.raises(CalmError, match="no operation can be called") as caught:
        OpenAPI({"paths": {"/a/{b}": {"get": {}}}}, server="http://h")
    assert "needs 'b'" in str(caught.value)
