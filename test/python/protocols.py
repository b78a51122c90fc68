"""The protocols of the front doors as strict readers see them: what may come, in which order, and how it ends.

Each `read_…` takes all events of one stream, asserts its protocol, and returns what was said. Knows no client.
References: docs/PROTOCOL.md, docs/DOORS.md.
"""

import json
from dataclasses import dataclass, field
from typing import NamedTuple


class Event(NamedTuple):
    event: str
    data: str
    id: str


@dataclass
class Said:
    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, dict]] = field(default_factory=list)
    finish: str | None = None
    error: str | None = None


def parsed(events, *, named=True, ids=True):
    """Every event's data, the name being its type where the protocol names events."""
    for n, event in enumerate(events, 1):
        assert event.id == (str(n) if ids else "")
        data = json.loads(event.data)
        assert isinstance(data, dict)
        assert event.event == (data["type"] if named else "message")
        yield data


# ---- native ----------------------------------------------------------------------------------------------------------

NATIVE = {"start", "token", "reasoning", "reasoning-detail", "tool-call-delta", "tool-call", "done", "error"}


def read_native(events):
    assert [event.id for event in events] == [str(n + 1) for n in range(len(events))]
    names = [event.event for event in events]
    assert set(names) <= NATIVE
    assert names[0] == "start" and names.count("start") == 1
    assert [name for name in names if name in ("done", "error")] == names[-1:]
    said, pieces = Said(), {}
    for name, data in ((event.event, json.loads(event.data)) for event in events):
        if name == "token":
            said.text += data["text"]
        elif name == "reasoning":
            said.reasoning += data["text"]
        elif name == "tool-call-delta":
            pieces[data["index"]] = pieces.get(data["index"], "") + data["arguments"]
        elif name == "tool-call":
            assert json.loads(pieces.get(data["index"]) or "{}") == data["arguments"]
            said.calls.append((data["name"], data["arguments"]))
        elif name == "done":
            said.finish = data["finish_reason"]
        elif name == "error":
            said.error = data["code"]
    return said


# ---- OpenAI, chat completions ----------------------------------------------------------------------------------------


def read_completions(events):
    done = events[-1].data == "[DONE]"
    assert not done or events[-1].id == str(len(events))
    said, calls = Said(), {}
    for data in parsed(events[:-1] if done else events, named=False):
        assert said.error is None
        if "error" in data:
            assert not done
            said.error = data["error"]["code"]
            continue
        assert data["object"] == "chat.completion.chunk"
        for choice in data["choices"]:
            assert said.finish is None
            said.text += choice["delta"].get("content") or ""
            said.reasoning += choice["delta"].get("reasoning_content") or ""
            for piece in choice["delta"].get("tool_calls") or []:
                call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                for name in call:
                    call[name] += piece["function"].get(name) or ""
            said.finish = choice.get("finish_reason")
    assert done == (said.error is None) and (said.finish is None or done)
    if done:
        assert said.finish
        said.calls = [(call["name"], json.loads(call["arguments"])) for call in calls.values()]
    return said


# ---- OpenAI, responses -----------------------------------------------------------------------------------------------

OPENED = {
    "response.output_item.added": "response.output_item.done",
    "response.content_part.added": "response.content_part.done",
    "response.reasoning_summary_part.added": "response.reasoning_summary_part.done",
}
GROWS = {
    "response.output_text.delta",
    "response.output_text.done",
    "response.refusal.delta",
    "response.refusal.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
}
ENDS = ["response.completed", "response.incomplete", "response.failed"]


def read_responses(events):
    every = list(parsed(events))
    types = [data["type"] for data in every]
    assert types[:2] == ["response.created", "response.in_progress"]
    assert [kind for kind in types if kind in ENDS] == types[-1:]
    assert [data["sequence_number"] for data in every] == list(range(len(every)))
    failed = types[-1] == "response.failed"
    assert ("error" in types) == failed
    assert not failed or types[-2] == "error"
    middle = every[2 : -2 if failed else -1]
    assert {data["type"] for data in middle} <= GROWS | OPENED.keys() | set(OPENED.values())
    said = Said(finish=None if failed else types[-1])
    if failed:
        said.error = every[-2]["code"]
    else:
        for begin, end in OPENED.items():
            assert types.count(begin) == types.count(end)
    for data in middle:
        if data["type"] == "response.output_text.delta":
            said.text += data["delta"]
        elif data["type"] == "response.reasoning_summary_text.delta":
            said.reasoning += data["delta"]
    output = every[-1]["response"]["output"]
    said.calls = [(item["name"], json.loads(item["arguments"])) for item in output if item["type"] == "function_call"]
    return said


# ---- Anthropic -------------------------------------------------------------------------------------------------------

DELTAS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": None,
}


def without_heartbeats(events):
    """A provider's ping is an event like others; one that fills a silence has no id: readers show the last, or none."""
    last = ""
    for event in events:
        if event.event == "ping" and event.id in ("", last):
            assert json.loads(event.data) == {"type": "ping"}
            continue
        last = event.id
        yield event


def read_messages(events):
    every = [data for data in parsed(without_heartbeats(events)) if data["type"] != "ping"]
    assert every[0]["type"] == "message_start"
    said, block, grown, begun, stopped = Said(), None, "", 0, False
    for data in every[1:]:
        assert not stopped and said.error is None
        match data["type"]:
            case "content_block_start":
                assert block is None and data["index"] == begun and said.finish is None
                block, grown, begun = data["content_block"], "", begun + 1
            case "content_block_delta":
                assert block is not None and data["index"] == begun - 1
                kind = data["delta"]["type"]
                if name := DELTAS[kind]:
                    grown += data["delta"][name]
                if kind == "text_delta":
                    said.text += data["delta"]["text"]
                elif kind == "thinking_delta":
                    said.reasoning += data["delta"]["thinking"]
            case "content_block_stop":
                if block["type"] == "tool_use":
                    said.calls.append((block["name"], json.loads(grown or "{}")))
                block = None
            case "message_delta":
                assert block is None and said.finish is None
                said.finish = data["delta"]["stop_reason"]
            case "message_stop":
                assert said.finish
                stopped = True
            case "error":
                said.error = data["error"]["type"]
            case unknown:
                raise AssertionError(unknown)
    assert stopped or said.error
    return said


# ---- Gemini ----------------------------------------------------------------------------------------------------------


def read_contents(events):
    every = list(parsed(events, named=False, ids=False))
    said = Said()
    for data in every:
        assert said.finish is None and said.error is None
        if "error" in data:
            said.error = data["error"]["status"]
            continue
        for candidate in data["candidates"]:
            for part in candidate.get("content", {}).get("parts", []):
                if part.get("thought"):
                    said.reasoning += part["text"]
                elif "functionCall" in part:
                    said.calls.append((part["functionCall"]["name"], part["functionCall"]["args"]))
                else:
                    said.text += part["text"]
            said.finish = candidate.get("finishReason")
    assert (said.finish is None) != (said.error is None)
    return said


# ---- AI SDK, UI messages ---------------------------------------------------------------------------------------------

STARTS = {"text-start": "text-end", "reasoning-start": "reasoning-end"}
UI = {"start", "start-step", "finish-step", "finish", "error", "message-metadata", *STARTS, *STARTS.values()}
UI |= {"text-delta", "reasoning-delta", "tool-input-start", "tool-input-delta", "tool-input-available"}


def read_ui(events):
    assert [event.data for event in events].count("[DONE]") == 1
    assert events[-1].data == "[DONE]" and events[-1].id == str(len(events))
    every = list(parsed(events[:-1], named=False))
    types = [data["type"] for data in every]
    assert set(types) <= UI
    assert types[:2] == ["start", "start-step"]
    assert [kind for kind in types if kind in ("finish", "error")] == types[-1:]
    said, open_parts = Said(), set()
    for data in every:
        kind = data["type"]
        if kind in STARTS:
            open_parts.add(data["id"])
        elif kind in STARTS.values():
            open_parts.remove(data["id"])
        elif kind == "text-delta":
            assert data["id"] in open_parts
            said.text += data["delta"]
        elif kind == "reasoning-delta":
            assert data["id"] in open_parts
            said.reasoning += data["delta"]
        elif kind == "tool-input-available":
            said.calls.append((data["toolName"], data["input"]))
        elif kind == "finish":
            said.finish = data["finishReason"]
        elif kind == "message-metadata":
            said.error = data["messageMetadata"]["error"]["code"]
    assert not open_parts and (said.finish is None) != (said.error is None)
    return said
