// The loop that makes a model an agent: ask, run the tools that it calls, give it the results, until it needs none.
// Knows no terminal and no file; what happens is told to `listener`.
import type Anthropic from '@anthropic-ai/sdk';
import type { Tool } from './tools.ts';

export interface Listener {
  thinking(piece: string): void;
  text(piece: string): void;
  call(name: string, input: unknown): void;
  result(name: string, output: string, failed: boolean): void;
}

interface Options {
  client: Anthropic;
  model: string;
  tools: Tool[];
  maxTurns: number;
  signal: AbortSignal;
  listener: Listener;
}

export interface Outcome {
  /** `max_turns`, or why the model stopped: `end_turn` where all is well, else `max_tokens`, `refusal` … */
  reason: string;
  turns: number;
  inputTokens: number;
  outputTokens: number;
}

/** Adds to `messages` what is said, so that a conversation can go on with them. Throws the SDK's errors; also when aborted. */
export async function runAgent(messages: Anthropic.MessageParam[], options: Options): Promise<Outcome> {
  const { client, model, tools, maxTurns, signal, listener } = options;
  const outcome: Outcome = { reason: 'max_turns', turns: 0, inputTokens: 0, outputTokens: 0 };
  while (outcome.turns < maxTurns) {
    outcome.turns++;
    const stream = client.messages.stream(
      {
        model,
        max_tokens: 16_000,
        system: 'You answer questions about the files of a folder. Read them before you answer.',
        thinking: { type: 'adaptive', display: 'summarized' },
        tools: tools.map(({ definition }) => definition),
        messages,
      },
      { signal },
    );
    stream.on('thinking', listener.thinking).on('text', listener.text);
    stream.on('contentBlock', ({ type }) => type === 'thinking' && listener.thinking('\n'));
    const answer = await stream.finalMessage();
    outcome.inputTokens += answer.usage.input_tokens;
    outcome.outputTokens += answer.usage.output_tokens;
    // All of it goes back as it came: without the signatures of its thoughts a provider refuses the next turn.
    messages.push({ role: 'assistant', content: answer.content });

    const calls = answer.content.filter((block) => block.type === 'tool_use');
    if (answer.stop_reason === 'pause_turn') continue; // the model was interrupted by its provider, and asks to go on
    if (answer.stop_reason !== 'tool_use' || calls.length === 0) {
      return { ...outcome, reason: answer.stop_reason ?? 'unknown' };
    }
    // Calls of one turn do not depend on each other; their results belong into one message, failures included.
    const results = await Promise.all(calls.map((call) => runTool(call, tools, signal, listener)));
    signal.throwIfAborted();
    messages.push({ role: 'user', content: results });
  }
  return outcome;
}

async function runTool(
  { id, name, input }: Anthropic.ToolUseBlock,
  tools: Tool[],
  signal: AbortSignal,
  listener: Listener,
): Promise<Anthropic.ToolResultBlockParam> {
  listener.call(name, input);
  const tool = tools.find(({ definition }) => definition.name === name);
  let content: string;
  let failed = false;
  try {
    if (!tool) throw new Error(`There is no tool ${name}.`);
    content = await tool.run(input, signal);
  } catch (error) {
    failed = true;
    content = error instanceof Error ? error.message : String(error);
  }
  listener.result(name, content, failed);
  return { type: 'tool_result', tool_use_id: id, content, is_error: failed };
}
