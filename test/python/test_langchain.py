"""LangChain's chat models, each at its door, over several wires; and the example that uses them."""

import asyncio
import os
import subprocess
import sys
from functools import reduce
from operator import add
from pathlib import Path

import anthropic
import openai
import pytest
from conftest import APP_KEY, KEY, URL
from langchain_anthropic import ChatAnthropic
from langchain_core.exceptions import ContextOverflowError, ModelAPIError, ModelNotFoundError, ModelRateLimitError
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

V1 = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}
MAKE = {
    "openai": lambda model: ChatOpenAI(model=model, stream_usage=True, **V1),
    "openai-responses": lambda model: ChatOpenAI(model=model, use_responses_api=True, store=False, **V1),
    "anthropic": lambda model: ChatAnthropic(model=model, base_url=URL, api_key=KEY, max_retries=0),
    "gemini": lambda model: ChatGoogleGenerativeAI(
        model=model, base_url=URL, api_key=KEY, max_retries=1, include_thoughts=True
    ),
}
HELLO = [HumanMessage("Hello there")]

ways = pytest.mark.parametrize("way", ["sync", "async"])
wires = pytest.mark.parametrize("up", ["mock", "mock-anthropic", "mock-gemini", "mock-responses"])

loop = asyncio.Runner()  # one for all: LangChain keeps a connection pool for all models that have the same settings


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"raining frogs in {city}"


@pytest.fixture(params=MAKE)
def make(request):
    def made(model):
        return MAKE[request.param](model)

    made.door = request.param
    return made


@pytest.fixture(scope="module", autouse=True)
def _loop():
    yield
    loop.close()


def stream(way, model, messages=HELLO, until=lambda chunk: False):
    """The chunks put together, up to the first that `until` knows."""

    async def read():
        taken, chunks = [], model.astream(messages)
        async for chunk in chunks:
            taken.append(chunk)
            if until(chunk):
                break
        await chunks.aclose()
        return taken

    if way == "async":
        taken = loop.run(read())
    else:
        taken, chunks = [], model.stream(messages)
        for chunk in chunks:
            taken.append(chunk)
            if until(chunk):
                break
        chunks.close()
    return reduce(add, taken)


def thoughts_of(message):
    return "".join(block.get("reasoning", "") for block in message.content_blocks if block["type"] == "reasoning")


@ways
@wires
def test_text_and_usage(make, way, up):
    chunks = []
    message = stream(way, make(f"{up}/echo"), until=lambda chunk: chunks.append(chunk.text))
    assert "".join(chunks) == message.text == "Hello there"
    used = message.usage_metadata
    assert (used["input_tokens"], used["output_tokens"], used["total_tokens"]) == (2, 2, 4)
    assert make(f"{up}/echo").invoke(HELLO).text == "Hello there"


@ways
@wires
def test_the_model_thinks_calls_tools_and_goes_on(make, way, up):
    model = make(f"{up}/reasoning-6+tools-2").bind_tools([get_weather])
    first = stream(way, model)
    if make.door != "openai":  # ChatOpenAI leaves out what OpenAI's chat completions do not have
        assert thoughts_of(first).startswith("The user asks")
    assert [(call["name"], list(call["args"])) for call in first.tool_calls] == [("get_weather", ["city"])] * 2
    assert not first.invalid_tool_calls
    second = stream(way, model, [*HELLO, first, *(get_weather.invoke(call) for call in first.tool_calls)])
    assert "raining frogs" in second.text


@ways
@wires
def test_leaving_the_loop_stops_the_provider(make, way, up, provider, ledger):
    journal = provider(up)
    message = stream(way, make(f"{up}/lorem-2000+rate-200"), until=lambda chunk: chunk.text)
    assert message.text == "Lorem"
    # LangChain leaves closing an async stream to the loop, which must go on running.
    assert 0 < loop.run(asyncio.to_thread(journal.stopped))["tokens_sent"] < 2000
    assert ledger()["end_reason"] == "client_closed"


@ways
@wires
@pytest.mark.parametrize(
    ("model", "kind"),
    [("error-404", ModelNotFoundError), ("error-429", ModelRateLimitError), ("error-500", ModelAPIError)],
)
def test_an_error_before_the_answer_has_its_type(make, way, up, model, kind):
    with pytest.raises(kind):
        stream(way, make(f"{up}/{model}"))


@wires
def test_a_prompt_that_is_too_long_is_known_by_its_words(up):
    with pytest.raises(ContextOverflowError):
        MAKE["anthropic"](f"{up}/error-context").invoke(HELLO)


@ways
@wires
@pytest.mark.parametrize("fault", ["error-after-3", "cut-3"])
def test_an_error_inside_the_stream_is_raised_after_the_text(make, way, up, fault):
    chunks = []
    with pytest.raises((openai.APIError, anthropic.APIError, ModelAPIError)):
        stream(way, make(f"{up}/{fault}+rate-200"), until=lambda chunk: chunks.append(chunk.text))
    assert "".join(chunks) == "Lorem ipsum dolor"


def test_the_example():
    folder = Path(__file__).parents[2] / "examples" / "langchain"
    env = {**os.environ, "MILLRACE_URL": URL, "MILLRACE_KEY": APP_KEY}
    ran = subprocess.run(
        [sys.executable, "weather.py"], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    lines = ran.stdout.splitlines()
    said = "[get_weather {'city': 'Paris'}] The tool answered: Sunny in Paris, 21 °C."
    assert lines[::2] == [f"{name}: {said}" for name in ("ChatOpenAI", "ChatAnthropic", "ChatGoogleGenerativeAI")]
    assert all("'input_tokens'" in line for line in lines[1::2])
