"""The official Google client for Python, sync and async, over every wire."""

import asyncio

import pytest
from conftest import KEY, URL, every
from google import genai
from google.genai import errors, types

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [types.Tool(function_declarations=[{"name": "get_weather", "parameters_json_schema": SCHEMA}])]
THOUGHTS = types.ThinkingConfig(include_thoughts=True)

ways = pytest.mark.parametrize("way", ["sync", "async"])


def make_client(key=KEY):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=URL, api_version="v1beta"))


def stream(way, model, contents="Hello there", *, until=lambda chunk: False, **config):
    """The chunks up to the first that `until` knows."""
    ask = {"model": model, "contents": contents, "config": types.GenerateContentConfig(**config)}

    async def read():
        async with make_client().aio as client:
            chunks, answer = [], await client.models.generate_content_stream(**ask)
            async for chunk in answer:
                chunks.append(chunk)
                if until(chunk):
                    break
            await answer.aclose()
            return chunks

    if way == "async":
        return asyncio.run(read())
    with make_client() as client:
        chunks, answer = [], client.models.generate_content_stream(**ask)
        for chunk in answer:
            chunks.append(chunk)
            if until(chunk):
                break
        answer.close()
        return chunks


def generate(way, model, contents="Hello there", *, key=KEY, **config):
    ask = {"model": model, "contents": contents, "config": types.GenerateContentConfig(**config)}

    async def read():
        async with make_client(key).aio as client:
            return await client.models.generate_content(**ask)

    if way == "async":
        return asyncio.run(read())
    with make_client(key) as client:
        return client.models.generate_content(**ask)


def parts_of(chunks):
    return [part for chunk in chunks for part in (chunk.candidates[0].content.parts or [])]


def text_of(chunks):
    return "".join(part.text for part in parts_of(chunks) if part.text and not part.thought)


@ways
@every
def test_text_streams_and_comes_whole(way, up):
    chunks = stream(way, f"{up}/echo")
    assert text_of(chunks) == "Hello there"
    reasons = [chunk.candidates[0].finish_reason for chunk in chunks]
    assert reasons[-1] == types.FinishReason.STOP and not any(reasons[:-1])
    used = chunks[-1].usage_metadata
    assert (used.prompt_token_count, used.candidates_token_count) == (2, 2)
    assert generate(way, f"{up}/echo").text == "Hello there"


@ways
@pytest.mark.parametrize("up", ["mock", "mock-gemini"])
def test_separators_of_lines_are_text_too(way, up):
    # This client splits lines of text as str.splitlines() does: at more than CR and LF.
    said = "one\u2028two\u2029three\u0085four"
    assert text_of(stream(way, f"{up}/echo", said)) == said


@ways
@every
def test_the_model_thinks_calls_tools_and_goes_on(way, up):
    more = {"tools": TOOLS, "thinking_config": THOUGHTS}
    parts = parts_of(stream(way, f"{up}/reasoning-6+tools-2", **more))
    assert "".join(part.text for part in parts if part.thought).startswith("The user asks")
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.name, list(call.args)) for call in calls] == [("get_weather", ["city"])] * 2
    results = [
        types.Part(
            function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "raining frogs"})
        )
        for call in calls
    ]
    turns = [
        types.Content(role="user", parts=[types.Part(text="Hello there")]),
        types.Content(role="model", parts=parts),
        types.Content(role="user", parts=results),
    ]
    assert "raining frogs" in generate(way, f"{up}/reasoning-6+tools-2", turns, **more).text


@ways
@every
def test_a_client_that_leaves_stops_the_provider(way, up, provider, ledger):
    journal = provider(up)
    chunks = stream(way, f"{up}/lorem-2000+rate-200", until=lambda chunk: chunk.text)
    assert text_of(chunks) == "Lorem"
    assert journal.stopped()["tokens_sent"] < 2000
    assert ledger()["end_reason"] == "client_closed"


@ways
@every
@pytest.mark.parametrize("call", [stream, generate])
def test_an_error_before_the_answer_has_its_code(way, up, call):
    with pytest.raises(errors.ClientError) as raised:
        call(way, f"{up}/error-429")
    assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")


@ways
@every
@pytest.mark.parametrize("fault", ["error-after-3", "cut-3"])
def test_an_error_inside_the_stream_is_raised(way, up, fault):
    chunks = []
    with pytest.raises(errors.ServerError) as raised:
        stream(way, f"{up}/{fault}+rate-200", until=lambda chunk: chunks.append(chunk))
    assert raised.value.code in (502, 503)
    assert text_of(chunks) == "Lorem ipsum dolor"
    assert not any(chunk.candidates[0].finish_reason for chunk in chunks)


@ways
def test_a_key_that_is_not_known(way):
    with pytest.raises(errors.ClientError) as raised:
        generate(way, "mock/echo", key="mk_nobody")
    assert raised.value.code == 401


def test_tokens_are_counted():
    with make_client() as client:
        assert client.models.count_tokens(model="mock/echo", contents="Hello there").total_tokens > 0
