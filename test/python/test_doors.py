"""The official clients of other vendors, and OpenAI's Responses, for Python: each at its own door, over several wires."""

import asyncio

import anthropic
import openai
import pytest
from conftest import URL
from google import genai
from google.genai import errors, types

WIRES = ["mock", "mock-anthropic", "mock-gemini", "mock-responses"]
every = pytest.mark.parametrize("up", WIRES)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture
def claude():
    with anthropic.Anthropic(base_url=URL, api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture
def google():
    return genai.Client(api_key="unused", http_options=types.HttpOptions(base_url=URL, api_version="v1beta"))


# ---- Anthropic -------------------------------------------------------------------------------------------------------


@every
def test_messages_stream_and_come_whole(claude, up):
    with claude.messages.stream(model=f"{up}/echo", max_tokens=100, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "Hello there"
        message = stream.get_final_message()
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 2)
    whole = claude.messages.create(model=f"{up}/echo", max_tokens=100, messages=HELLO)
    assert whole.content[0].text == "Hello there"


@every
def test_messages_think_call_a_tool_and_go_on(claude, up):
    ask = {
        "model": f"{up}/reasoning-6+tools",
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
    }
    with claude.messages.stream(messages=HELLO, **ask) as stream:
        first = stream.get_final_message()
    call = next(block for block in first.content if block.type == "tool_use")
    assert (first.stop_reason, call.name, list(call.input)) == ("tool_use", "get_weather", ["city"])
    assert any(block.type in ("thinking", "redacted_thinking") for block in first.content)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = claude.messages.create(messages=turns, **ask)
    assert "sunny" in "".join(block.text for block in second.content if block.type == "text")


@every
def test_messages_report_errors_before_and_inside_the_stream(claude, up):
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model=f"{up}/error-429", max_tokens=10, messages=HELLO)
    with pytest.raises(anthropic.APIError):
        with claude.messages.stream(model=f"{up}/error-after-3", max_tokens=100, messages=HELLO) as stream:
            for _ in stream.text_stream:
                pass


def test_messages_stream_to_an_async_client_that_stops():
    async def run():
        async with anthropic.AsyncAnthropic(base_url=URL, api_key="unused", max_retries=0) as client:
            ask = {"model": "mock-anthropic/lorem-500+rate-100", "max_tokens": 1000, "messages": HELLO}
            async with client.messages.stream(**ask) as stream:
                async for text in stream.text_stream:
                    return text

    assert asyncio.run(run()) == "Lorem"


# ---- Google ----------------------------------------------------------------------------------------------------------


@every
def test_contents_stream_and_come_whole(google, up):
    chunks = list(google.models.generate_content_stream(model=f"{up}/echo", contents="Hello there"))
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello there"
    assert chunks[-1].usage_metadata.candidates_token_count == 2
    assert google.models.generate_content(model=f"{up}/echo", contents="Hello there").text == "Hello there"


@every
def test_contents_call_a_tool_and_go_on(google, up):
    tool = types.Tool(function_declarations=[{"name": "get_weather", "parameters_json_schema": SCHEMA}])
    config = types.GenerateContentConfig(tools=[tool])
    user = types.Content(role="user", parts=[types.Part(text="Hello there")])
    first = google.models.generate_content(model=f"{up}/reasoning-4+tools", contents=[user], config=config)
    call = first.function_calls[0]
    assert (call.name, list(call.args)) == ("get_weather", ["city"])
    answer = types.Part(
        function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "sunny"})
    )
    turns = [user, first.candidates[0].content, types.Content(role="user", parts=[answer])]
    second = google.models.generate_content(model=f"{up}/reasoning-4+tools", contents=turns, config=config)
    assert "sunny" in second.text


@every
def test_contents_report_errors(google, up):
    with pytest.raises(errors.APIError) as raised:
        google.models.generate_content(model=f"{up}/error-429", contents="Hi")
    assert raised.value.code == 429


# ---- Responses -------------------------------------------------------------------------------------------------------


@every
def test_responses_stream_and_come_whole(client, up):
    with client.responses.stream(model=f"{up}/echo", input="Hello there") as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert (text, final.output_text, final.status) == ("Hello there", "Hello there", "completed")
    assert client.responses.create(model=f"{up}/echo", input="Hello there").output_text == "Hello there"


@every
def test_responses_report_errors(client, up):
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model=f"{up}/error-429", input="Hi")
