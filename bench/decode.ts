// `npm run bench:decode`: what a token costs in each wire's decoder, beside the Chat Completions one, in one interleaved run of one
// process. Bodies are what the mock says on that wire for one and the same answer, and each is asserted to decode to it.
import { createHash } from 'node:crypto';
import type { Decoder, DecoderOptions } from '../src/core/contracts.ts';
import { type MockServer, startMock } from '../src/mock/server.ts';
import { createAnthropicDecoder } from '../src/providers/anthropic/decode.ts';
import { createBedrockDecoder } from '../src/providers/bedrock/decode.ts';
import { createGeminiDecoder } from '../src/providers/gemini/decode.ts';
import { createOpenAiDecoder } from '../src/providers/openai/decode.ts';
import { createOpenAiResponsesDecoder } from '../src/providers/openai-responses/decode.ts';
import { ratioOf, type Spread, spreadOf } from './statistics.ts';

/** DESIGN and issue: no decoder costs more than this, as a multiple of the first. */
const BAR = 1.5;
const READ = 64 * 1024; // what a busy socket gives at once

interface Subject {
  name: string;
  create(options: DecoderOptions): Decoder;
  ask(mock: MockServer, model: string): [url: string, headers: Record<string, string>, body: object];
}

const message = { role: 'user', content: 'Go' };
const SUBJECTS: Subject[] = [
  {
    name: 'openai',
    create: createOpenAiDecoder,
    ask: ({ url }, model) => [`${url}/chat/completions`, {}, { model, messages: [message], stream: true }],
  },
  {
    name: 'openai-responses',
    create: createOpenAiResponsesDecoder,
    ask: ({ url }, model) => [
      `${url}/responses`,
      { authorization: 'Bearer mock' },
      { model, input: [message], stream: true },
    ],
  },
  {
    name: 'anthropic',
    create: createAnthropicDecoder,
    ask: ({ url }, model) => [
      `${url}/messages`,
      { 'x-api-key': 'mock', 'anthropic-version': '2023-06-01' },
      { model, messages: [message], stream: true, max_tokens: 1_000_000 },
    ],
  },
  {
    name: 'gemini',
    create: createGeminiDecoder,
    ask: ({ origin }, model) => [
      `${origin}/v1beta/models/${encodeURIComponent(model)}:streamGenerateContent?alt=sse`,
      { 'x-goog-api-key': 'mock' },
      { contents: [{ role: 'user', parts: [{ text: 'Go' }] }] },
    ],
  },
  {
    name: 'bedrock',
    create: createBedrockDecoder,
    ask: ({ origin }, model) => [
      `${origin}/model/${encodeURIComponent(model)}/converse-stream`,
      { authorization: 'Bearer mock' },
      { messages: [{ role: 'user', content: [{ text: 'Go' }] }] },
    ],
  },
];

async function bodyOf({ ask, name }: Subject, mock: MockServer, model: string): Promise<Buffer[]> {
  const [url, headers, body] = ask(mock, model);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (!response.ok) throw new Error(`${name}: ${response.status} ${bytes}`);
  const reads: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += READ) reads.push(bytes.subarray(at, at + READ));
  return reads;
}

/** What the body says: the fixture's proof. */
function digestOf({ create, name }: Subject, reads: Buffer[]): string {
  let text = '';
  let end = '';
  const decoder = create({
    choices: 1,
    emit(event) {
      if (event.type === 'token') text += event.text;
      else if (event.type === 'done') end = event.finishReason;
      else if (event.type === 'error') throw new Error(`${name}: ${event.error.message}`);
    },
  });
  for (const read of reads) decoder.push(read);
  decoder.end();
  return `${end} ${createHash('sha256').update(text).digest('hex')}`;
}

/** Microseconds of one token. */
function timeOf({ create, name }: Subject, reads: Buffer[], tokens: number): number {
  let seen = 0;
  const decoder = create({
    choices: 1,
    emit(event) {
      if (event.type === 'token') seen++;
    },
  });
  const from = process.hrtime.bigint();
  for (const read of reads) decoder.push(read);
  decoder.end();
  const took = Number(process.hrtime.bigint() - from);
  if (seen !== tokens) throw new Error(`${name}: ${seen} tokens instead of ${tokens}`);
  return took / 1000 / tokens;
}

export interface Cost {
  name: string;
  /** Microseconds a token. */
  micros: Spread;
  /** To the first wire, within a round. */
  ratio: number;
}

/** Rejects when a body does not decode to what the others say. */
export async function measureDecoders(tokens: number, rounds: number): Promise<Cost[]> {
  const mock = await startMock();
  try {
    const bodies = await Promise.all(SUBJECTS.map((subject) => bodyOf(subject, mock, `lorem-${tokens}`)));
    const digests = SUBJECTS.map((subject, at) => digestOf(subject, bodies[at]!));
    if (new Set(digests).size !== 1) throw new Error(`the wires do not say the same: ${digests.join(', ')}`);
    const figures: number[][] = SUBJECTS.map(() => []);
    for (let round = -1; round < rounds; round++) {
      SUBJECTS.forEach((subject, at) => {
        const micros = timeOf(subject, bodies[at]!, tokens);
        if (round >= 0) figures[at]!.push(micros); // the first is for the compiler
      });
    }
    return SUBJECTS.map(({ name }, at) => ({
      name,
      micros: spreadOf(figures[at]!)!,
      ratio: ratioOf(figures[at]!, figures[0]!)!.median,
    }));
  } finally {
    await mock.close();
  }
}

if (import.meta.main) {
  const costs = await measureDecoders(20_000, 15);
  console.log(`µs a token in the decoder, medians of 15 rounds (lowest–highest); bar ${BAR} × the first\n`);
  for (const { name, micros, ratio } of costs) {
    const [min, median, max] = [micros.min, micros.median, micros.max].map((value) => value.toFixed(2));
    const verdict = ratio <= BAR ? '' : '  over the bar';
    console.log(`${name.padEnd(18)} ${median}  (${min}–${max})  ${ratio.toFixed(2)} ×${verdict}`);
  }
}
