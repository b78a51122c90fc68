"""OpenAI's Responses by the official client for Python, sync and async, over every wire."""

import asyncio
import json

import openai
import pytest
from conftest import KEY, URL, every

SETUP = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]

ways = pytest.mark.parametrize("way", ["sync", "async"])


def stream(way, model, given="Hello there", *, until=lambda event: False, **more):
    """The events of the client's own stream helper up to the first that `until` knows."""
    ask = {"model": model, "input": given, "store": False, **more}

    async def read():
        async with openai.AsyncOpenAI(**SETUP) as client, client.responses.stream(**ask) as stream:
            events = []
            async for event in stream:
                events.append(event)
                if until(event):
                    break
            return events

    if way == "async":
        return asyncio.run(read())
    with openai.OpenAI(**SETUP) as client, client.responses.stream(**ask) as stream:
        events = []
        for event in stream:
            events.append(event)
            if until(event):
                break
        return events


def create(way, model, given="Hello there", **more):
    ask = {"model": model, "input": given, "store": False, **more}

    async def read():
        async with openai.AsyncOpenAI(**SETUP) as client:
            return await client.responses.create(**ask)

    if way == "async":
        return asyncio.run(read())
    with openai.OpenAI(**SETUP) as client:
        return client.responses.create(**ask)


def deltas(events, kind):
    return "".join(event.delta for event in events if event.type == f"response.{kind}.delta")


@ways
@every
def test_text_streams_and_comes_whole(way, up):
    events = stream(way, f"{up}/echo")
    assert deltas(events, "output_text") == "Hello there"
    response = events[-1].response
    assert (response.output_text, response.status) == ("Hello there", "completed")
    assert (response.usage.input_tokens, response.usage.output_tokens) == (2, 2)
    assert create(way, f"{up}/echo").output_text == "Hello there"


@ways
@every
def test_the_model_thinks_calls_tools_and_goes_on(way, up):
    more = {"tools": TOOLS, "reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    events = stream(way, f"{up}/reasoning-6+tools-2", **more)
    assert deltas(events, "reasoning_summary_text").startswith("The user asks")
    output = events[-1].response.output
    calls = [item for item in output if item.type == "function_call"]
    assert [(call.name, list(json.loads(call.arguments))) for call in calls] == [("get_weather", ["city"])] * 2
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": "raining frogs"} for call in calls]
    said = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in output]
    turns = [{"role": "user", "content": "Hello there"}, *said, *results]
    assert "raining frogs" in create(way, f"{up}/reasoning-6+tools-2", turns, **more).output_text


@ways
@every
def test_a_client_that_leaves_stops_the_provider(way, up, provider, ledger):
    journal = provider(up)
    events = stream(way, f"{up}/lorem-2000+rate-200", until=lambda event: event.type == "response.output_text.delta")
    assert deltas(events, "output_text") == "Lorem"
    assert journal.stopped()["tokens_sent"] < 2000
    assert ledger()["end_reason"] == "client_closed"


@ways
@every
@pytest.mark.parametrize("call", [stream, create])
def test_an_error_before_the_answer_has_its_type(way, up, call):
    with pytest.raises(openai.RateLimitError) as raised:
        call(way, f"{up}/error-429")
    assert raised.value.code == "upstream_rate_limited"


@ways
@every
@pytest.mark.parametrize("fault", ["error-after-3", "cut-3"])
def test_an_error_inside_the_stream_is_raised(way, up, fault):
    events = []
    with pytest.raises(openai.APIError) as raised:
        stream(way, f"{up}/{fault}+rate-200", until=lambda event: events.append(event))
    assert raised.value.code.startswith("upstream_")
    assert deltas(events, "output_text") == "Lorem ipsum dolor"
    assert "response.completed" not in [event.type for event in events]


@ways
def test_a_key_that_is_not_known(way, monkeypatch):
    monkeypatch.setitem(SETUP, "api_key", "mk_nobody")
    with pytest.raises(openai.AuthenticationError):
        create(way, "mock/echo")
