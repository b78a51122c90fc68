"""Readers of server-sent events that people have in Python, at every door: requests alone, sseclient-py, httpx-sse."""

import json
from contextlib import contextmanager
from functools import partial

import httpx
import httpx_sse
import pytest
import requests
import sseclient
from conftest import KEY, URL, every
from doors import DOORS
from protocols import Event

HEADERS = {"authorization": f"Bearer {KEY}"}
# What some would take for the end of a line: a lone CR LF is escaped by JSON, the other three are not.
ODD = "Grüße, 😀\u2028next\u2029line\u0085and\r\nlast"


@contextmanager
def bare(door, model, text):
    """requests alone. Bytes, not text: str.splitlines() would also split at U+2028."""
    with requests.post(URL + door.path(model), json=door.body(model, text), headers=HEADERS, stream=True) as response:

        def events():
            fields, last_id = {}, ""
            for line in response.iter_lines():
                name, _, value = line.decode().partition(":")
                if line:
                    fields[name] = value.removeprefix(" ")
                    continue
                last_id = fields.get("id", last_id)
                if "data" in fields:
                    yield Event(fields.get("event", "message"), fields["data"], last_id)
                fields = {}

        yield events()


@contextmanager
def sseclient_py(door, model, text):
    with requests.post(URL + door.path(model), json=door.body(model, text), headers=HEADERS, stream=True) as response:
        events = sseclient.SSEClient(response).events()
        yield (Event(event.event, event.data, event.id or "") for event in events)


@contextmanager
def by_httpx_sse(door, model, text):
    with httpx.Client(headers=HEADERS, timeout=10) as client:
        ask = {"json": door.body(model, text)}
        with httpx_sse.connect_sse(client, "POST", URL + door.path(model), **ask) as source:
            yield (Event(event.event, event.data, event.id) for event in source.iter_sse())


READERS = {"requests": bare, "sseclient-py": sseclient_py, "httpx-sse": by_httpx_sse}


@pytest.fixture(params=DOORS)
def door(request):
    return DOORS[request.param]


@pytest.fixture(params=READERS)
def begin(request, door):
    """The events of a new stream, in a context that closes it."""
    return partial(READERS[request.param], door)


@pytest.fixture
def read(begin, door):
    def whole(model, text="Hello there"):
        with begin(model, text) as events:
            return door.read(list(events))

    return whole


@every
def test_text(read, up):
    said = read(f"{up}/echo", ODD)
    assert (said.text, said.error) == (ODD, None)


@every
def test_tool_calls(read, up):
    said = read(f"{up}/tools-2")
    assert said.calls == [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Oslo"})]
    assert said.text == ""


@every
def test_reasoning_and_then_text(read, up):
    said = read(f"{up}/reasoning-4+lorem-3")
    assert (said.reasoning, said.text) == ("The user asks for", "Lorem ipsum dolor")


@every
def test_a_reader_that_stops_in_the_middle_stops_the_provider(begin, door, up, provider, ledger):
    journal = provider(up)
    with begin(f"{up}/lorem-5000+rate-200", "Hello there") as events:
        next(event for event in events if door.text(json.loads(event.data)))
    assert 0 < journal.stopped()["tokens_sent"] < 5000
    assert ledger()["end_reason"] == "client_closed"


@every
def test_a_refusal_is_the_doors_own_json(door, up):
    model = f"{up}/error-429"
    response = requests.post(URL + door.path(model), json=door.body(model, "Hi"), headers=HEADERS)
    assert response.status_code == 429
    assert response.headers["content-type"].startswith("application/json")
    assert door.error(response.json()) in ("upstream_rate_limited", "rate_limit_error", "RESOURCE_EXHAUSTED")


@every
@pytest.mark.parametrize("fault", ["error-after-3", "cut-3"])
def test_a_failure_inside_the_stream_is_its_last_event(read, up, fault):
    said = read(f"{up}/{fault}+rate-200")
    assert said.text == "Lorem ipsum dolor"
    assert said.error and said.finish is None


def test_what_fills_a_silence_disturbs_no_reader(read, door):
    model = "mock-anthropic/lorem-3+rate-5"
    raw = requests.post(URL + door.path(model), json=door.body(model, "Hi"), headers=HEADERS).content
    assert door.silence in raw
    assert read(model).text == "Lorem ipsum dolor"


def test_lines_of_text_are_lines_of_the_protocol(door):
    # What most people write. httpx and requests split text as str.splitlines() does: at more than CR and LF.
    ask = {"json": door.body("mock/echo", ODD), "headers": HEADERS}
    with httpx.stream("POST", URL + door.path("mock/echo"), **ask) as response:
        data = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    assert "".join(door.text(json.loads(line)) for line in data if line != "[DONE]") == ODD
