'use client';

// The chat: sends, stops, tries again, and runs the tools that belong to the browser. How a message looks is in message.tsx.
import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } from 'ai';
import { type KeyboardEvent, type SubmitEvent, useRef, useState } from 'react';
import { type ChatMessage, MAX_STEPS, sentenceOf, tools } from './chat';
import { Message } from './message';

/** The page's own route, or Millrace itself: http://127.0.0.1:8787/v1/ui/chat, with this page's origin in `server.cors`. */
const API = process.env.NEXT_PUBLIC_CHAT_API ?? '/api/chat';
const MODEL = process.env.NEXT_PUBLIC_MODEL ?? 'mock/reasoning+tools-2+rate-30';

export default function Page() {
  const model = useRef<HTMLInputElement>(null);
  // useChat keeps the first transport that it is given, so the model is looked up at each request.
  const [transport] = useState(
    () => new DefaultChatTransport<ChatMessage>({ api: API, body: () => ({ model: model.current?.value, tools }) }),
  );
  const { messages, sendMessage, regenerate, stop, addToolOutput, status, error } = useChat<ChatMessage>({
    transport,
    throttle: 50, // milliseconds; the page is drawn 20 times a second, however many tokens come
    onToolCall({ toolCall: { toolName, toolCallId } }) {
      if (toolName === 'ask_user') return; // its form is in the message
      // Not awaited: the answer that holds the call is still being read.
      if (toolName === 'get_local_time') {
        const output = `${new Date()}, ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
        void addToolOutput({ tool: toolName, toolCallId, output });
      } else {
        const errorText = 'There is no such tool.'; // whatever the types say: models invent some
        void addToolOutput({ state: 'output-error', tool: toolName as never, toolCallId, errorText });
      }
    },
    // The answer goes on in the same message as soon as each of its calls has its output.
    sendAutomaticallyWhen: (chat) =>
      lastAssistantMessageIsCompleteWithToolCalls(chat) &&
      chat.messages.at(-1)!.parts.filter(({ type }) => type === 'step-start').length < MAX_STEPS,
  });
  const busy = status === 'submitted' || status === 'streaming';

  function send(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get('text')).trim();
    if (text === '' || busy) return; // what was typed meanwhile stays
    void sendMessage({ text });
    event.currentTarget.reset();
  }

  return (
    <div className="page">
      <header>
        <h1>Chat over Millrace</h1>
        <label>
          Model <input ref={model} defaultValue={MODEL} spellCheck={false} autoComplete="off" />
        </label>
      </header>

      <main>
        <div className="messages" aria-busy={busy}>
          {messages.length === 0 && <p className="hint">Ask something. No key is needed for mock models.</p>}
          {messages.map((message) => (
            <Message
              key={message.id}
              message={message}
              onAnswer={(toolCallId, output) => void addToolOutput({ tool: 'ask_user', toolCallId, output })}
            />
          ))}
          {status === 'submitted' && <p className="hint">…</p>}
          {error && (
            <p className="error" role="alert">
              {sentenceOf(error)}{' '}
              <button type="button" onClick={() => void regenerate()}>
                Try again
              </button>
            </p>
          )}
        </div>
      </main>

      <form className="composer" onSubmit={send}>
        <textarea name="text" rows={2} aria-label="Message" placeholder="Message" onKeyDown={sendOnEnter} />
        {busy ? (
          <button key="stop" type="button" onClick={() => void stop()}>
            Stop
          </button>
        ) : (
          <button key="send" type="submit">
            Send
          </button>
        )}
      </form>
    </div>
  );
}

function sendOnEnter(event: KeyboardEvent<HTMLTextAreaElement>) {
  if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}
