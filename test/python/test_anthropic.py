"""The official Anthropic client for Python, sync and async, over every wire."""

import asyncio

import anthropic
import pytest
from conftest import KEY, URL, every

SETUP = {"base_url": URL, "api_key": KEY, "max_retries": 0}
HELLO = [{"role": "user", "content": "Hello there"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": "get_weather", "input_schema": SCHEMA}]
THINK = {"type": "enabled", "budget_tokens": 1024}

ways = pytest.mark.parametrize("way", ["sync", "async"])


def stream(way, model, messages=HELLO, *, until=lambda event: False, **more):
    """What happens up to the first event that `until` knows, and the message as it stands then."""
    ask = {"model": model, "max_tokens": 4000, "messages": messages, **more}

    async def read():
        async with anthropic.AsyncAnthropic(**SETUP) as client, client.messages.stream(**ask) as stream:
            events = []
            async for event in stream:
                events.append(event)
                if until(event):
                    break
            return events, stream.current_message_snapshot

    if way == "async":
        return asyncio.run(read())
    with anthropic.Anthropic(**SETUP) as client, client.messages.stream(**ask) as stream:
        events = []
        for event in stream:
            events.append(event)
            if until(event):
                break
        return events, stream.current_message_snapshot


def create(way, model, messages=HELLO, **more):
    ask = {"model": model, "max_tokens": 4000, "messages": messages, **more}

    async def read():
        async with anthropic.AsyncAnthropic(**SETUP) as client:
            return await client.messages.create(**ask)

    if way == "async":
        return asyncio.run(read())
    with anthropic.Anthropic(**SETUP) as client:
        return client.messages.create(**ask)


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@ways
@every
def test_text_streams_and_comes_whole(way, up):
    events, message = stream(way, f"{up}/echo")
    assert "".join(event.text for event in events if event.type == "text") == "Hello there"
    assert events[-1].type == "message_stop" and text_of(message) == "Hello there"
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == ("end_turn", 2, 2)
    assert text_of(create(way, f"{up}/echo")) == "Hello there"


@ways
@every
def test_the_model_thinks_calls_tools_and_goes_on(way, up):
    more = {"tools": TOOLS, "thinking": THINK}
    events, first = stream(way, f"{up}/reasoning-6+tools-2", **more)
    assert "".join(event.thinking for event in events if event.type == "thinking").startswith("The user asks")
    calls = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use" and len({call.id for call in calls}) == 2
    assert [(call.name, list(call.input)) for call in calls] == [("get_weather", ["city"])] * 2
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "raining frogs"} for call in calls]
    turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    assert "raining frogs" in text_of(create(way, f"{up}/reasoning-6+tools-2", turns, **more))


@ways
@every
def test_a_client_that_leaves_stops_the_provider(way, up, provider, ledger):
    journal = provider(up)
    _, message = stream(way, f"{up}/lorem-2000+rate-200", until=lambda event: event.type == "text")
    assert text_of(message) == "Lorem"
    assert journal.stopped()["tokens_sent"] < 2000
    assert ledger()["end_reason"] == "client_closed"


@ways
@every
@pytest.mark.parametrize("call", [stream, create])
def test_an_error_before_the_answer_has_its_type(way, up, call):
    with pytest.raises(anthropic.RateLimitError) as raised:
        call(way, f"{up}/error-429")
    assert raised.value.body["error"]["type"] == "rate_limit_error"


@ways
@every
@pytest.mark.parametrize("fault", ["error-after-3", "cut-3"])
def test_an_error_inside_the_stream_is_raised(way, up, fault):
    events = []
    with pytest.raises(anthropic.APIStatusError) as raised:
        stream(way, f"{up}/{fault}+rate-200", until=lambda event: events.append(event))
    assert raised.value.body["type"] == "error"
    assert "".join(event.text for event in events if event.type == "text") == "Lorem ipsum dolor"
    assert "message_stop" not in [event.type for event in events]


@ways
def test_a_key_that_is_not_known(way, monkeypatch):
    monkeypatch.setitem(SETUP, "api_key", "mk_nobody")
    with pytest.raises(anthropic.AuthenticationError):
        create(way, "mock/echo")


def test_tokens_are_counted():
    with anthropic.Anthropic(**SETUP) as client:
        assert client.messages.count_tokens(model="mock/echo", messages=HELLO).input_tokens > 0
