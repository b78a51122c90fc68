"""Where Millrace and its mocks listen, clients that talk to it, and what proves that a provider was stopped.

Started by run.mjs.
"""

import json
import os
import time

import httpx
import openai
import pytest

URL = os.environ.get("MILLRACE_URL", "")
if not URL:
    raise SystemExit("Run these tests with: node test/python/run.mjs")
KEY = os.environ["MILLRACE_KEY"]
APP_KEY = os.environ["MILLRACE_APP_KEY"]
MOCKS = json.loads(os.environ["MILLRACE_MOCKS"])
WIRES = list(MOCKS)  # each mock speaks a wire of its own

every = pytest.mark.parametrize("up", WIRES)
# Handed on, built anew from the same wire, and from another one.
some = pytest.mark.parametrize("up", ["mock", "built", "mock-anthropic", "mock-gemini"])


def until(look, what, seconds=10):
    """The first truth that `look` sees."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError(f"never: {what}")


class Provider:
    """The journal of the mock behind a provider's name, from now on."""

    def __init__(self, up):
        self._journal = f"{MOCKS['mock' if up == 'built' else up]}/_mock/requests"
        httpx.delete(self._journal).raise_for_status()

    def requests(self):
        return httpx.get(self._journal).json()["requests"]

    def stopped(self):
        """The one request it got, once Millrace has left it in the middle."""
        until(lambda: [row for row in self.requests() if row["phase"] == "done"], "the provider's stream ended")
        (row,) = self.requests()
        assert row["client_left_at"] and not row["finished_at"], row
        return row


@pytest.fixture
def provider():
    return Provider


@pytest.fixture
def ledger(http):
    def newest():
        """The newest row, once its stream is over."""

        def look():
            row = http.get("/v1/usage/requests", params={"limit": 1}).json()["data"][0]
            return row if row["end_reason"] is not None else None

        return until(look, "the newest row is closed")

    return newest


@pytest.fixture
def client():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def make_async_client():
    """Made inside the loop that uses it."""
    return lambda: openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


@pytest.fixture
def http():
    with httpx.Client(base_url=URL, headers={"authorization": f"Bearer {KEY}"}, timeout=10) as made:
        yield made
