"""A backend that relays Millrace's streams to users of its own: its login, its rules, and Millrace's key, kept here.

A user who leaves stops the model at once, in every phase: while Millrace still waits for the provider, between two
tokens, and where the answer is not streamed at all.
"""

import os
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
import httpx
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

USERS = {"token-of-ada": "ada"}  # your sessions, your database
RELAYED_HEADERS = {"content-type", "cache-control", "x-accel-buffering", "retry-after", "millrace-stream-id"}
UNREACHABLE = {"code": "unavailable", "message": "The model cannot be reached.", "retryable": True, "status": 503}


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with httpx.AsyncClient(
        base_url=os.environ.get("MILLRACE_URL", "http://127.0.0.1:8787"),
        headers={"authorization": f"Bearer {os.environ.get('MILLRACE_KEY', 'none')}"},
        timeout=httpx.Timeout(5, read=600),  # not the 5 s of silence that httpx allows; Millrace bounds the real waits
        limits=httpx.Limits(max_connections=None),  # not its 100; each stream holds one
    ) as millrace:
        yield {"millrace": millrace}


app = FastAPI(title="Relay", lifespan=lifespan)


def user(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    if name := USERS.get(given.credentials):
        return name
    raise HTTPException(401, "Who are you?")


class Ask(BaseModel):
    """What users may decide. The rest of a request to Millrace is this app's affair."""

    messages: list[dict]
    model: str = "mock/lorem-20+rate-10"


@app.post("/chat")
async def chat(ask: Ask, user: Annotated[str, Depends(user)], request: Request) -> Response:
    """Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    return Relay(request, {**ask.model_dump(), "stream": True, "metadata": {"user": user}})


@app.post("/answer")
async def answer(ask: Ask, user: Annotated[str, Depends(user)], request: Request) -> Response:
    """The whole answer as JSON."""
    return Relay(request, {**ask.model_dump(), "stream": False, "metadata": {"user": user}})


class Relay(Response):
    """What Millrace answers, as it comes: status and body of a refusal too.

    StreamingResponse would need the status before it could watch for the user's leaving; this watches from the start.
    """

    def __init__(self, request: Request, ask: dict):
        super().__init__()
        self.millrace: httpx.AsyncClient = request.state.millrace
        self.ask = ask

    async def __call__(self, scope, receive, send) -> None:
        async with while_connected(receive):
            try:
                async with self.millrace.stream("POST", "/v1/chat", json=self.ask) as answer:
                    headers = [header for header in answer.headers.raw if header[0].decode().lower() in RELAYED_HEADERS]
                    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
                    async for chunk in answer.aiter_bytes():
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except httpx.ConnectError:
                return await JSONResponse({"error": UNREACHABLE}, UNREACHABLE["status"])(scope, receive, send)
            # Not reached when Millrace's stream broke: without this the user's client sees a cut, as it should.
            await send({"type": "http.response.body"})


@asynccontextmanager
async def while_connected(receive):
    """Cancels its block when the user leaves. Cancelled, httpx closes its connection, and so Millrace hears of it."""
    async with anyio.create_task_group() as tasks:

        async def watch():
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        yield
        tasks.cancel_scope.cancel()
