"""BFCL's own prompts, byte for byte: short hashes of what upstream's functions build for every item."""

import hashlib

import pytest

from calm.bench.bfcl import Official, entries, prompts, tasks, versions, world
from calm.bench.bfcl.generate import Prompted, shown
from calm.conversation import Assistant, Call, Conversation, Garbled, Observation, System, User
from calm.errors import HubError
from calm.format import text_of
from calm.format.react import LLAMA3, plain
from calm.policy.scripted import Scripted

UPSTREAM = {
    "v4-2026-03": {
        "irrelevance": "63562e831189adf9",
        "java": "a1d9233413dd56c4",
        "javascript": "16ecb5294850c5e7",
        "live_irrelevance": "3fcd8e352cbeda5f",
        "live_multiple": "db11e81c923536f6",
        "live_parallel": "b5231899af02fc35",
        "live_parallel_multiple": "fbdbc856796bb501",
        "live_relevance": "e94b2d64b15137ad",
        "live_simple": "58e602ca160c5ee9",
        "multi_turn_base": "833429f8b62c8470",
        "multi_turn_long_context": "f041fbd3172c7cc7",
        "multi_turn_miss_func": "30ea1bd09e6aa988",
        "multi_turn_miss_param": "403e44fc3d18c045",
        "multiple": "3540751ad1ac0f81",
        "parallel": "069bcef3c5753214",
        "parallel_multiple": "5149dc620eb8fa28",
        "simple": "716750a7a023ac24",
    },
    "v3-2025-06": {
        "irrelevance": "344cc8fb1b9322c1",
        "java": "0dc6cafd18262507",
        "javascript": "7dcf7d3e1ba3925e",
        "live_irrelevance": "89fb30ed7b9706eb",
        "live_multiple": "5488a4ebf3a8214a",
        "live_parallel": "3a9125437b32a14a",
        "live_parallel_multiple": "5fd7bf29f6c1fc69",
        "live_relevance": "969a7181f9fba780",
        "live_simple": "a0de74108f2d4962",
        "multi_turn_base": "0f0afdc7aeda52ee",
        "multi_turn_long_context": "0f0afdc7aeda52ee",
        "multi_turn_miss_func": "b894baa93f48b1d8",
        "multi_turn_miss_param": "c54d9fcfeb2829f5",
        "multiple": "e82c5aa6b51b234d",
        "parallel": "556aba3c54712a35",
        "parallel_multiple": "3f878bd2857378b0",
        "simple": "33d7143f30df5a73",
    },
}
"""First 16 digits of the SHA-256 over the Llama prompt of every item of a category, in upstream's order (for the
multi-turn ones followed by the messages that hand over held-out functions), from the code in the wheels themselves."""


@pytest.fixture(params=list(UPSTREAM))
def version(request):
    found = versions.named(request.param)
    try:
        tasks.items(found.name)
    except HubError as error:
        pytest.skip(str(error))
    return found


def prompt(item, version):
    said = tuple(map(tasks.message, prompts.opening(item, version)))
    return text_of(plain(prompts.turns(Conversation(messages=said), version), LLAMA3))


def handed_over(item, version):
    held = entries.docs(item, version)[1] if item.category.startswith("multi_turn") else {}
    return "".join(prompts.more(docs, version) for docs in held.values())


def test_every_first_prompt_is_upstreams_byte_for_byte(version):
    found = {}
    for item in [*tasks.items(version.name).values(), *entries.entries(version.name).values()]:
        text = prompt(item, version) + handed_over(item, version)
        found.setdefault(item.category, hashlib.sha256()).update(text.encode("utf-8", "surrogatepass"))
    assert {name: digest.hexdigest()[:16] for name, digest in found.items()} == UPSTREAM[version.name]


def test_v3_shows_pythons_repr_of_the_functions_and_v4_indented_json():
    docs = [{"name": "f", "parameters": {"type": "dict"}}]
    try:
        old, new = (prompts.system(docs, versions.named(name)) for name in ("v3", "v4"))
    except HubError as error:
        pytest.skip(str(error))
    assert "\n[{'name': 'f', 'parameters': {'type': 'dict'}}]\n" in old
    assert '\n[\n    {\n        "name": "f",\n' in new


def test_hints_leave_the_checkers_docs_alone():
    docs = [
        {"name": "f", "description": "Adds.", "parameters": {"properties": {"x": {"type": "any", "description": "X."}}}}
    ]
    (made,) = prompts.hinted(docs, "java")
    assert made["description"] == "Adds. Note that the provided function is in Java 8 SDK syntax."
    assert made["parameters"]["properties"]["x"]["type"] == "string"
    assert docs[0]["parameters"]["properties"]["x"] == {"type": "any", "description": "X."}


WITH_RESULT = Conversation(
    messages=(
        System(content=" Be brief.\n"),
        User(content="Where am I?"),
        Assistant(text="[pwd()]", calls=(Call(name="pwd", arguments={"source": "pwd()"}),)),
        Observation(content='{"d": "/"}', name="pwd"),
        Garbled(raw="<x", why="cut"),
    )
)


def test_a_local_model_gets_stripped_turns_and_results_under_the_role_of_the_version():
    roles = {v.name: prompts.turns(WITH_RESULT, v)[3] for v in versions.VERSIONS.values()}
    assert prompts.turns(WITH_RESULT, versions.named("v4"))[0] == ("system", "Be brief.")
    assert {name: role for name, (role, _) in roles.items()} == {
        "v4-2026-03": "ipython", "v3-2025-02": "tool", "v3-2025-06": "ipython"
    }  # fmt: skip
    assert prompts.turns(WITH_RESULT, versions.named("v4"))[4] == ("assistant", "<x")


def test_any_other_model_gets_results_as_one_message_of_the_user():
    said = shown(WITH_RESULT).messages
    assert said[3] == User(content="[{'role': 'tool', 'name': 'pwd()', 'content': '{\"d\": \"/\"}'}]")
    assert said[2] == Assistant(text="[pwd()]")


class Completing:
    """A policy that completes raw turns, as a local model does."""

    name = "completing"

    def complete(self, turns):
        return f"[f(n={len(turns)})]"


@pytest.mark.parametrize("policy", [Completing(), Scripted([Assistant(text="[f(n=2)]")])], ids=["local", "chat"])
def test_any_policy_speaks_through_the_prompt_and_is_kept_word_for_word(policy):
    start = Conversation(messages=(System(content="s"), User(content="u")))
    step = Prompted(policy, versions.named("v4"))(start)
    assert step == Assistant(text="[f(n=2)]", calls=(Call(name="f", arguments={"source": "f(n=2)"}),))


def test_a_task_of_the_official_protocol_offers_no_tools_and_ends_with_the_question(version):
    bench = Official(version.name)
    for task in list(bench.tasks())[::400]:
        assert task.start.tools == ()
        assert isinstance(task.start.messages[0], System)
        assert isinstance(bench.world(task), world.Trajectory) == task.category.startswith("multi_turn")


def test_a_real_model_generates_by_the_official_protocol(tiny, version):
    local = pytest.importorskip("calm.policy.local")
    policy = local.Local.load(str(tiny), max_tokens=4)
    text = policy.complete([("system", "Be brief."), ("user", "Hi")])
    assert isinstance(text, str)
    assert policy.complete([("system", "Be brief."), ("user", "Hi")]) == text
