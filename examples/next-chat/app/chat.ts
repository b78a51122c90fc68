// What the page and Millrace say to each other: the messages' types, and the tools that run in the visitor's browser.
import type { UIDataTypes, UIMessage } from 'ai';

/** Millrace puts it on each answer. An answer in several steps has the numbers of its last one. */
interface Metadata {
  model?: string;
  finish_reason?: string;
  usage?: { input_tokens: number; output_tokens: number; reasoning_tokens: number };
  cost_usd?: number;
  timing?: { first_token_ms: number | null; total_ms: number };
}

export type ChatMessage = UIMessage<
  Metadata,
  UIDataTypes,
  {
    get_local_time: { input: Record<string, never>; output: string };
    ask_user: { input: { question: string }; output: string };
  }
>;

/** As JSON schema, for the model. */
export const tools = {
  get_local_time: {
    description: "The user's date, time and time zone",
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
  },
  ask_user: {
    description: 'Asks the user a question and waits for the answer',
    inputSchema: {
      type: 'object',
      properties: { question: { type: 'string' } },
      required: ['question'],
      additionalProperties: false,
    },
  },
};

/** A model that calls a tool after every answer would go on for ever, at your cost. */
export const MAX_STEPS = 8;

/** Before the stream it is Millrace's error as JSON; inside it, and where the network failed, a sentence. */
export function sentenceOf({ message }: Error): string {
  try {
    return JSON.parse(message).error.message;
  } catch {
    return message;
  }
}
