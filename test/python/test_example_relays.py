"""The FastAPI and the Flask example: what their users get, and that a user who leaves stops the provider."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from conftest import APP_KEY, URL, until
from httpx_sse import connect_sse
from protocols import Event, read_native

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = {
    "fastapi": ["uvicorn", "app:app", "--log-level", "warning", "--port"],
    "flask": ["gunicorn", "app:app", "--log-level", "warning", "--threads", "20", "--no-control-socket", "--bind"],
}
ADA = {"authorization": "Bearer token-of-ada"}

wires = pytest.mark.parametrize("up", ["mock", "mock-anthropic", "mock-gemini"])


@contextmanager
def running(name, millrace=URL):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = str(port) if name == "fastapi" else f"127.0.0.1:{port}"
    env = {**os.environ, "MILLRACE_URL": millrace, "MILLRACE_KEY": APP_KEY}
    app = subprocess.Popen([sys.executable, "-m", *COMMANDS[name], address], cwd=EXAMPLES / name, env=env)

    def answers():
        assert app.poll() is None, "the app has ended"
        try:
            return httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
        except httpx.TransportError:
            return False

    try:
        until(answers, "the app listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        try:
            app.wait(10)
        finally:
            app.kill()


@pytest.fixture(scope="module", params=COMMANDS)
def app(request):
    with running(request.param) as url, httpx.Client(base_url=url, headers=ADA, timeout=10) as client:
        client.name = request.param
        yield client


def ask(model, text="Hello there"):
    return {"json": {"model": model, "messages": [{"role": "user", "content": text}]}}


@contextmanager
def begin(app, model, text="Hello there"):
    with connect_sse(app, "POST", "/chat", **ask(model, text)) as source:
        assert source.response.status_code == 200
        assert source.response.headers["cache-control"] == "no-cache, no-transform"
        assert source.response.headers["x-accel-buffering"] == "no"
        yield (Event(event.event, event.data, event.id) for event in source.iter_sse())


def read(app, model, text="Hello there"):
    with begin(app, model, text) as events:
        return read_native(list(events))


@wires
def test_text_tools_and_reasoning_come_through(app, up):
    assert read(app, f"{up}/echo", "Grüße, 😀").text == "Grüße, 😀"
    assert read(app, f"{up}/tools").calls == [("get_weather", {"city": "Paris"})]
    said = read(app, f"{up}/reasoning-4+lorem-3")
    assert (said.reasoning, said.text) == ("The user asks for", "Lorem ipsum dolor")


@wires
def test_the_app_brings_its_own_key(app, up, ledger):
    read(app, f"{up}/echo")
    assert ledger()["key"] == "apps"


def test_tokens_are_not_held_back(app, provider):
    journal = provider("mock")
    with begin(app, "mock/lorem-20+rate-20") as events:
        next(event for event in events if event.event == "token")
        assert journal.requests()[0]["phase"] == "streaming"


@wires
def test_a_user_who_leaves_stops_the_provider(app, up, provider, ledger):
    journal = provider(up)
    with begin(app, f"{up}/lorem-5000+rate-100") as events:
        next(event for event in events if event.event == "token")
    assert 0 < journal.stopped()["tokens_sent"] < 5000
    assert ledger()["end_reason"] == "client_closed"


def leave_early(app, path, model):
    with pytest.raises(httpx.ReadTimeout):
        app.post(path, **ask(f"mock/{model}"), timeout=0.3)


def test_a_user_may_leave_before_anything_came(app, provider, ledger):
    journal = provider("mock")
    leave_early(app, "/chat", "slow-60000")
    assert journal.stopped()["tokens_sent"] == 0
    assert ledger()["end_reason"] == "client_closed"


@pytest.mark.parametrize("model", ["slow-60000", "lorem-5000+rate-10"])
def test_a_user_of_fastapi_may_leave_a_whole_answer(provider, ledger, model):
    journal = provider("mock")
    with running("fastapi") as url, httpx.Client(base_url=url, headers=ADA) as app:
        leave_early(app, "/answer", model)
        assert journal.stopped()["tokens_sent"] < 100
    assert ledger()["end_reason"] == "client_closed"


def test_silence_is_no_hiding_place(app, provider, ledger):
    journal = provider("mock")
    with begin(app, "mock/stall-3+rate-50") as events:
        next(event for event in events if event.event == "token")
    journal.stopped()  # Millrace's heartbeat is what a synchronous app notices it by
    assert ledger()["end_reason"] == "client_closed"


@wires
def test_errors_keep_their_status_and_body(app, up):
    for path in ("/chat", "/answer"):
        response = app.post(path, **ask(f"{up}/error-500"))
        assert response.status_code == 503
        assert response.headers["content-type"].startswith("application/json")
        assert response.json()["error"]["code"] == "upstream_unavailable"
    limited = app.post("/chat", **ask("mock/error-429"))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")


@wires
@pytest.mark.parametrize("fault", ["error-after-3", "cut-3"])
def test_an_error_inside_the_stream_is_its_last_event(app, up, fault):
    said = read(app, f"{up}/{fault}+rate-200")
    assert said.text == "Lorem ipsum dolor" and said.error.startswith("upstream_")


@wires
def test_whole_answers(app, up):
    answer = app.post("/answer", **ask(f"{up}/echo")).json()
    assert (answer["text"], answer["finish_reason"]) == ("Hello there", "stop")


@pytest.mark.parametrize("headers", [{"authorization": ""}, {"authorization": "Bearer somebody"}])
def test_strangers_are_sent_away(app, provider, headers):
    journal = provider("mock")
    for path in ("/chat", "/answer"):
        assert app.post(path, **ask("mock/echo"), headers=headers).status_code == 401
    assert journal.requests() == []


@pytest.mark.parametrize("name", COMMANDS)
def test_without_millrace_the_app_says_so(name):
    with running(name, millrace="http://127.0.0.1:9") as url:
        response = httpx.post(f"{url}/chat", **ask("mock/echo"), headers=ADA)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
