"""The native protocol through httpx-sse, as a Python service without any SDK of ours would read it."""

import httpx
import pytest
from conftest import KEY, URL
from httpx_sse import connect_sse

MESSAGES = [{"role": "user", "content": "Grüße, 😀"}]


def read(http, model, **more):
    with connect_sse(http, "POST", "/v1/chat", json={"model": model, "messages": MESSAGES, **more}) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        return list(source.iter_sse())


@pytest.mark.parametrize(
    "model", ["mock/echo", "mock/echo+split", "mock/echo+crlf", "mock/echo+gzip", "mock/echo+comments"]
)
def test_events_count_up_and_end_once(http, model):
    events = read(http, model)
    assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
    assert events[0].event == "start" and events[-1].event == "done"
    assert "".join(e.json()["text"] for e in events if e.event == "token") == MESSAGES[0]["content"]
    assert events[-1].json()["finish_reason"] == "stop"
    assert [e.event for e in events].count("done") == 1


def test_tool_calls_come_complete(http):
    calls = [event.json() for event in read(http, "mock/tools-2") if event.event == "tool-call"]
    assert [call["name"] for call in calls] == ["get_weather", "get_weather"]
    assert all(call["arguments"]["city"] for call in calls)


def test_a_stream_that_breaks_ends_in_an_error(http):
    events = read(http, "mock/end-3+rate-200")
    assert events[-1].event == "error"
    assert events[-1].json()["code"] == "upstream_truncated"
    assert "done" not in [event.event for event in events]


def test_a_refusal_is_plain_json(http: httpx.Client):
    response = http.post("/v1/chat", json={"model": "nobody/nothing", "messages": MESSAGES})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


def test_whole(http: httpx.Client):
    answer = http.post("/v1/chat", json={"model": "mock/echo", "messages": MESSAGES, "stream": False}).json()
    assert answer["text"] == MESSAGES[0]["content"] and answer["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "login",
    [
        {"headers": {"authorization": f"Bearer {KEY}"}},
        {"headers": {"x-api-key": KEY}},
        {"headers": {"x-goog-api-key": KEY}},
        {"params": {"key": KEY}},
    ],
)
def test_a_key_comes_in_any_of_the_usual_ways(login):
    ask = {"model": "mock/echo", "messages": MESSAGES}
    assert httpx.post(f"{URL}/v1/chat", json=ask, **login).status_code == 200


def test_without_a_key_nothing_is_answered():
    response = httpx.post(f"{URL}/v1/chat", json={"model": "mock/echo", "messages": MESSAGES})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "unauthorized"
