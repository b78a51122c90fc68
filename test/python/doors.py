"""The front doors: how each is asked for a stream, and what reads it."""

from collections.abc import Callable
from dataclasses import dataclass

from protocols import (
    Event,
    Said,
    read_completions,
    read_contents,
    read_messages,
    read_native,
    read_responses,
    read_ui,
)


@dataclass(frozen=True)
class Door:
    path: Callable[[str], str]
    body: Callable[[str, str], dict]
    read: Callable[[list[Event]], Said]
    text: Callable[[dict], str]
    """The text in one event's data."""
    error: Callable[[dict], str]
    """What the body of a refusal says of its cause."""
    silence: bytes
    """What fills it."""


def text_of_candidates(data):
    parts = [part for choice in data.get("candidates", []) for part in choice.get("content", {}).get("parts", [])]
    return "".join(part.get("text", "") for part in parts)


def messages(model, text, **more):
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": text}], **more}


DOORS = {
    "native": Door(
        path=lambda model: "/v1/chat",
        body=messages,
        read=read_native,
        text=lambda data: data.get("text", ""),
        error=lambda body: body["error"]["code"],
        silence=b": ping\n",
    ),
    "openai": Door(
        path=lambda model: "/v1/chat/completions",
        body=messages,
        read=read_completions,
        text=lambda data: data["choices"][0]["delta"].get("content") or "",
        error=lambda body: body["error"]["code"],
        silence=b": ping\n",
    ),
    "openai-responses": Door(
        path=lambda model: "/v1/responses",
        body=lambda model, text: {"model": model, "stream": True, "input": text},
        read=read_responses,
        text=lambda data: data["delta"] if data["type"] == "response.output_text.delta" else "",
        error=lambda body: body["error"]["code"],
        silence=b": ping\n",
    ),
    "anthropic": Door(
        path=lambda model: "/v1/messages",
        body=lambda model, text: messages(model, text, max_tokens=10_000),
        read=read_messages,
        text=lambda data: data.get("delta", {}).get("text", ""),
        error=lambda body: body["error"]["type"],
        silence=b"event: ping\n",
    ),
    "gemini": Door(
        path=lambda model: f"/v1beta/models/{model}:streamGenerateContent?alt=sse",
        body=lambda model, text: {
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        },
        read=read_contents,
        text=text_of_candidates,
        error=lambda body: body["error"]["status"],
        silence=b'"parts":[{"text":""}]',
    ),
    "ui": Door(
        path=lambda model: "/v1/ui/chat",
        body=lambda model, text: {
            "model": model,
            "messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": text}]}],
        },
        read=read_ui,
        text=lambda data: data["delta"] if data["type"] == "text-delta" else "",
        error=lambda body: body["error"]["code"],
        silence=b": ping\n",
    ),
}
