"""One tool, three integrations of LangChain, models of three other vendors.

Each integration talks to its own front door of Millrace, which answers with whatever model is asked for.
"""

import os
from typing import Literal

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

URL = os.environ.get("MILLRACE_URL", "http://127.0.0.1:8787")
KEY = os.environ.get("MILLRACE_KEY", "none")

# `model` is an alias of your config, or provider/model. These are mocks: they need no key, each has a wire of its own.
MODELS = [
    ChatOpenAI(model="mock-anthropic/tools", base_url=f"{URL}/v1", api_key=KEY, stream_usage=True),
    ChatAnthropic(model="mock-gemini/tools", base_url=URL, api_key=KEY),
    ChatGoogleGenerativeAI(model="mock-responses/tools", base_url=URL, api_key=KEY),
]


@tool
def get_weather(city: Literal["Paris", "Oslo"]) -> str:
    """The weather in a city right now."""
    return f"Sunny in {city}, 21 °C."


def ask(model: BaseChatModel, question: str) -> AIMessage:
    """The model's last word. Until then it may call the tool as often as it likes; text is printed as it comes."""
    messages = [HumanMessage(question)]
    while True:
        answer = None
        for chunk in model.bind_tools([get_weather]).stream(messages):
            print(chunk.text, end="", flush=True)
            answer = chunk if answer is None else answer + chunk
        messages.append(answer)
        if not answer.tool_calls:
            return answer
        for call in answer.tool_calls:
            print(f"[{call['name']} {call['args']}] ", end="")
            messages.append(get_weather.invoke(call))


if __name__ == "__main__":
    for model in MODELS:
        print(f"{type(model).__name__}: ", end="")
        answer = ask(model, "What is the weather in Paris?")
        print(f"\n  {answer.usage_metadata}")
