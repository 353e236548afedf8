"""What a request may ask: an option that cannot be met is refused by its name, and its idle value is fine."""

import json

import pytest

from calm.serve.wire import Can, Refusal, read

HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("asked", [{"logprobs": True}, {"logprobs": True, "top_logprobs": 3}, {"top_logprobs": 3}])
def test_log_probabilities_are_refused_by_name_and_not_asking_for_them_is_fine(asked):
    assert not read(json.dumps(HELLO | {"logprobs": False, "top_logprobs": 0}).encode(), "m", Can()).ignored
    with pytest.raises(Refusal, match="tools' schemas force have none") as refused:
        read(json.dumps(HELLO | asked).encode(), "m", Can())
    assert (refused.value.status, refused.value.param) == (400, next(iter(asked)))
