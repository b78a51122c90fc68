"""Where Millrace listens, and clients that talk to it. Started by run.mjs."""

import os

import httpx
import openai
import pytest

URL = os.environ.get("MILLRACE_URL", "")
if not URL:
    raise SystemExit("Run these tests with: node test/python/run.mjs")


@pytest.fixture
def client():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture
def make_async_client():
    """Made inside the loop that uses it."""
    return lambda: openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="unused", max_retries=0)


@pytest.fixture
def http():
    with httpx.Client(base_url=URL, timeout=10) as made:
        yield made
