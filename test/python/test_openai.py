"""The official OpenAI client for Python, sync and async, against a running Millrace with its mock provider."""

import asyncio
import json

import openai
import pytest
from conftest import some

MESSAGES = [{"role": "user", "content": "Hello there"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
# The same wire: the provider's frames handed on, and frames built by Millrace. Not everything exists on every wire.
both = pytest.mark.parametrize("up", ["mock", "built"])


def text_of(chunks, index=0):
    return "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == index)


@some
def test_text_streams_with_usage_when_asked(client, up):
    plain = list(client.chat.completions.create(model=f"{up}/echo", messages=MESSAGES, stream=True))
    assert text_of(plain) == "Hello there"
    assert plain[-1].choices[0].finish_reason == "stop"
    assert not any(chunk.usage for chunk in plain)

    asked = list(
        client.chat.completions.create(
            model=f"{up}/echo", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    assert text_of(asked) == "Hello there"
    assert asked[-1].choices == [] and asked[-1].usage.prompt_tokens == 2


@some
def test_a_whole_answer(client, up):
    answer = client.chat.completions.create(model=f"{up}/echo", messages=MESSAGES)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == "Hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 2


@some
@pytest.mark.parametrize("model", ["tools-2", "tools-2+index0"])
def test_tool_calls_and_their_results(client, up, model):
    answer = client.chat.completions.create(model=f"{up}/{model}", messages=MESSAGES, tools=TOOLS)
    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert len({call.id for call in message.tool_calls}) == 2
    assert all("city" in json.loads(call.function.arguments) for call in message.tool_calls)

    results = [{"role": "tool", "tool_call_id": call.id, "content": "raining frogs"} for call in message.tool_calls]
    history = [*MESSAGES, message.model_dump(exclude_none=True), *results]
    final = client.chat.completions.create(model=f"{up}/{model}", messages=history, tools=TOOLS)
    assert "raining frogs" in final.choices[0].message.content


@some
def test_the_streaming_helper_puts_tool_calls_together(client, up):
    # It concatenates what it is given, so an id or a name that came twice would show.
    with client.chat.completions.stream(model=f"{up}/tools-2", messages=MESSAGES, tools=TOOLS) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert [event.name for event in done] == ["get_weather", "get_weather"]
    calls = final.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_weather"]
    assert len({call.id for call in calls}) == 2
    assert all("city" in json.loads(call.function.arguments) for call in calls)


@both
def test_three_alternatives(client, up):
    whole = client.chat.completions.create(model=f"{up}/lorem-5", messages=MESSAGES, n=3)
    texts = [choice.message.content for choice in whole.choices]
    assert len(set(texts)) == 3
    chunks = list(client.chat.completions.create(model=f"{up}/lorem-5", messages=MESSAGES, n=3, stream=True))
    assert [text_of(chunks, index) for index in range(3)] == texts


@some
def test_reasoning_comes_beside_the_text(client, up):
    chunks = list(client.chat.completions.create(model=f"{up}/reasoning+lorem-3", messages=MESSAGES, stream=True))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert thoughts.startswith("The user asks")
    assert text_of(chunks) == "Lorem ipsum dolor"


def test_logprobs(client):
    answer = client.chat.completions.create(model="mock/lorem-3", messages=MESSAGES, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == "Lorem ipsum dolor"
    assert len(tokens[0].top_logprobs) == 2


@some
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("error-after-3", "upstream_unavailable"),
        ("end-3", "upstream_truncated"),
        ("cut-3", "upstream_truncated"),
        ("garbage-3", "upstream_protocol"),
    ],
)
def test_a_failure_inside_the_stream_raises_and_is_not_taken_for_an_end(client, up, fault, code):
    chunks = []
    with pytest.raises(openai.APIError) as raised:
        stream = client.chat.completions.create(model=f"{up}/{fault}+rate-200", messages=MESSAGES, stream=True)
        for chunk in stream:
            chunks.append(chunk)
    assert raised.value.code == code
    assert text_of(chunks) == "Lorem ipsum dolor"
    assert not any(choice.finish_reason for chunk in chunks for choice in chunk.choices)
    with pytest.raises(openai.APIError) as raised:
        client.chat.completions.create(model=f"{up}/{fault}", messages=MESSAGES)
    assert raised.value.code == code


@pytest.mark.parametrize("up", ["mock", "built", "mock-anthropic"])  # Gemini's 400 may be about the key
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "kind", "code"),
    [
        ("error-400", openai.BadRequestError, "invalid_request"),
        ("error-context", openai.BadRequestError, "context_length_exceeded"),
        ("error-404", openai.NotFoundError, "model_not_found"),
        ("error-429", openai.RateLimitError, "upstream_rate_limited"),
        ("error-500", openai.InternalServerError, "upstream_unavailable"),
    ],
)
def test_errors_have_their_types(client, up, model, kind, code, stream):
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model=f"{up}/{model}", messages=MESSAGES, stream=stream)
    assert raised.value.code == code


def test_bad_requests_name_their_field(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="nobody/nothing", messages=MESSAGES)
    assert raised.value.param == "model"
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="mock/echo", messages=[{"role": "robot", "content": "x"}])
    assert raised.value.param == "messages[0].role"


@some
def test_a_client_that_leaves_stops_the_provider(client, up, provider, ledger):
    journal = provider(up)
    stream = client.chat.completions.create(model=f"{up}/lorem-1000+rate-200", messages=MESSAGES, stream=True)
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    stream.close()
    assert 0 < journal.stopped()["tokens_sent"] < 1000
    row = ledger()
    assert row["end_reason"] == "client_closed"
    assert 0 < row["generated_tokens"] < 1000


def test_models_are_listed(client):
    assert "mock/echo" in [model.id for model in client.models.list()]


@some
def test_async_streams_side_by_side(make_async_client, up):
    async def one(client, count):
        stream = await client.chat.completions.create(model=f"{up}/lorem-{count}", messages=MESSAGES, stream=True)
        return text_of([chunk async for chunk in stream])

    async def run():
        async with make_async_client() as client:
            return await asyncio.gather(*(one(client, count) for count in range(1, 21)))

    texts = asyncio.run(run())
    assert [len(text.split()) for text in texts] == list(range(1, 21))


@some
def test_async_helper_with_tools(make_async_client, up):
    async def run():
        async with make_async_client() as client:
            async with client.chat.completions.stream(model=f"{up}/tools", messages=MESSAGES, tools=TOOLS) as stream:
                async for _ in stream:
                    pass
                return await stream.get_final_completion()

    (call,) = asyncio.run(run()).choices[0].message.tool_calls
    assert call.function.name == "get_weather" and "city" in json.loads(call.function.arguments)


@some
def test_async_truncation_raises(make_async_client, up):
    async def run():
        async with make_async_client() as client:
            stream = await client.chat.completions.create(model=f"{up}/end-3+rate-200", messages=MESSAGES, stream=True)
            async for _ in stream:
                pass

    with pytest.raises(openai.APIError) as raised:
        asyncio.run(run())
    assert raised.value.code == "upstream_truncated"


@some
def test_async_cancelled_task_stops_the_provider(make_async_client, up, provider, ledger):
    journal = provider(up)

    async def run():
        async with make_async_client() as client:
            stream = await client.chat.completions.create(
                model=f"{up}/lorem-1000+rate-200", messages=MESSAGES, stream=True
            )

            async def read():
                async for _ in stream:
                    pass

            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(read(), 0.1)

    asyncio.run(run())
    assert 0 < journal.stopped()["tokens_sent"] < 1000
    assert ledger()["end_reason"] == "client_closed"


@some
def test_async_reasoning_and_an_error_before_the_stream(make_async_client, up):
    async def run():
        async with make_async_client() as client:
            ask = {"messages": MESSAGES, "stream": True}
            stream = await client.chat.completions.create(model=f"{up}/reasoning+lorem-3", **ask)
            deltas = [choice.delta async for chunk in stream for choice in chunk.choices]
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model=f"{up}/error-429", **ask)
            return deltas

    deltas = asyncio.run(run())
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas).startswith("The user asks")
    assert "".join(delta.content or "" for delta in deltas) == "Lorem ipsum dolor"


def test_a_key_that_is_not_known(client):
    with pytest.raises(openai.AuthenticationError) as raised:
        client.with_options(api_key="mk_nobody").models.list()
    assert raised.value.code == "unauthorized"
