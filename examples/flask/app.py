"""A backend that relays Millrace's streams to users of its own: its login, its rules, and Millrace's key, kept here.

Synchronous: a stream holds a thread. That a user has left is seen when something is written to them; the README says
what this means, and what the FastAPI example does better.
"""

import os

import httpx
from flask import Flask, Response, abort, request

USERS = {"token-of-ada": "ada"}  # your sessions, your database
RELAYED_HEADERS = ["content-type", "cache-control", "x-accel-buffering", "retry-after", "millrace-stream-id"]
UNREACHABLE = {"code": "unavailable", "message": "The model cannot be reached.", "retryable": True, "status": 503}

app = Flask(__name__)
# One for all threads: unlike a requests.Session it may be shared. It would allow 5 s of silence and 100 connections.
millrace = httpx.Client(
    base_url=os.environ.get("MILLRACE_URL", "http://127.0.0.1:8787"),
    headers={"authorization": f"Bearer {os.environ.get('MILLRACE_KEY', 'none')}"},
    timeout=httpx.Timeout(5, read=600),
    limits=httpx.Limits(max_connections=None),
)


@app.post("/chat")
def chat() -> Response:
    """Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    return relay(stream=True)


@app.post("/answer")
def answer() -> Response:
    """The whole answer as JSON."""
    return relay(stream=False)


def user() -> str:
    given = request.authorization
    return USERS.get(given.token if given else "") or abort(401, "Who are you?")


def relay(stream: bool) -> Response:
    """What Millrace answers, as it comes: status and body of a refusal too."""
    name, asked = user(), request.get_json()
    ask = {
        "model": asked.get("model", "mock/lorem-20+rate-10"),
        "messages": asked.get("messages"),
        "stream": stream,
        "metadata": {"user": name},
    }
    answer = millrace.send(millrace.build_request("POST", "/v1/chat", json=ask), stream=True)
    headers = {name: answer.headers[name] for name in RELAYED_HEADERS if name in answer.headers}
    response = Response(answer.iter_bytes(), answer.status_code, headers)
    # The server closes a response that is done, or whose user has left; this closes the connection to Millrace with it.
    response.call_on_close(answer.close)
    return response


@app.errorhandler(httpx.ConnectError)
def unreachable(_: httpx.ConnectError):
    return {"error": UNREACHABLE}, UNREACHABLE["status"]
