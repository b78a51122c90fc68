// One message as it grows: text, folded reasoning, tool calls, and what the answer took.
import { getToolName, isToolUIPart } from 'ai';
import type { ChatMessage } from './chat';

type Part = ChatMessage['parts'][number];

interface Props {
  message: ChatMessage;
  /** The visitor's answer to a question that the model asked with `ask_user`. */
  onAnswer(toolCallId: string, answer: string): void;
}

export function Message({ message: { role, parts, metadata }, onAnswer }: Props) {
  return (
    <article className={role} aria-label={role === 'user' ? 'You' : 'Assistant'}>
      {parts.map((part, at) => (
        <PartView key={at} part={part} onAnswer={onAnswer} />
      ))}
      {metadata?.usage && <footer>{factsOf(metadata)}</footer>}
    </article>
  );
}

function PartView({ part, onAnswer }: { part: Part; onAnswer: Props['onAnswer'] }) {
  if (part.type === 'text') return <p className="text">{part.text}</p>;
  if (part.type === 'reasoning') {
    if (part.text === '') return null; // a thought that its provider keeps to itself
    return (
      <details className="reasoning">
        <summary>{part.state === 'streaming' ? 'Thinking …' : 'Thoughts'}</summary>
        <p className="text">{part.text}</p>
      </details>
    );
  }
  if (part.type === 'tool-ask_user' && part.state === 'input-available') {
    return (
      <form
        className="question"
        onSubmit={(event) => {
          event.preventDefault();
          onAnswer(part.toolCallId, String(new FormData(event.currentTarget).get('answer')));
        }}
      >
        <label>
          {part.input.question}
          <input name="answer" autoComplete="off" required />
        </label>
        <button type="submit">Answer</button>
      </form>
    );
  }
  if (isToolUIPart(part)) {
    return (
      <details className="tool">
        <summary>
          <code>{getToolName(part)}</code> {TOOL_STATES[part.state]}
        </summary>
        <pre>{pretty(part.input)}</pre>
        {part.state === 'output-available' && <pre>{pretty(part.output)}</pre>}
        {part.state === 'output-error' && <pre className="wrong">{part.errorText}</pre>}
      </details>
    );
  }
  return null;
}

const TOOL_STATES: Record<Extract<Part, { toolCallId: string }>['state'], string> = {
  'input-streaming': 'is being called …',
  'input-available': 'is running …',
  'approval-requested': 'waits for approval',
  'approval-responded': 'is running …',
  'output-available': 'answered',
  'output-error': 'failed',
  'output-denied': 'was not allowed',
};

function pretty(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? {}, null, 2);
}

function factsOf({ usage, cost_usd, timing, finish_reason, model }: NonNullable<ChatMessage['metadata']>): string {
  return [
    model,
    usage && `tokens: ${usage.input_tokens} in, ${usage.output_tokens} out`,
    cost_usd != null && `$${cost_usd.toFixed(6)}`,
    timing?.first_token_ms != null && `first token after ${Math.round(timing.first_token_ms)} ms`,
    finish_reason !== 'stop' && finish_reason,
  ]
    .filter(Boolean)
    .join(' · ');
}
