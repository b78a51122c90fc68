// Counts tokens where a provider did not report them: in a worker thread, in bounded time, whatever the text.
// Knows how much of a text to look at, how long to wait and what to say instead; how to count is the worker's (tokenizer.worker.ts).
import { Worker } from 'node:worker_threads';
import type { Tokenizer } from '../core/accounting.ts';
import type { CountReply, CountRequest, Encoding } from './tokenizer.worker.ts';

const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './tokenizer.worker.ts' : './tokenizer.worker.js',
  import.meta.url,
);

/** The first prefix that fits says the encoding; what fits none has the newest, also models that are not OpenAI's. */
const ENCODINGS: [prefix: RegExp, encoding: Encoding][] = [
  [/^(chat)?gpt-4(o|\.\d)/, 'o200k_base'],
  [/^gpt-4/, 'cl100k_base'],
  [/^gpt-3/, 'cl100k_base'], // gpt-3.5-turbo, and gpt-35-turbo as Azure writes it
  [/^text-embedding/, 'cl100k_base'],
  [/^(davinci|babbage)-002/, 'cl100k_base'],
];

export function encodingOf(model: string): Encoding {
  const name = model.slice(model.lastIndexOf('/') + 1).replace(/^ft:/, '');
  return ENCODINGS.find(([prefix]) => prefix.test(name))?.[1] ?? 'o200k_base';
}

export interface TokenizerOptions {
  /** After this long, in milliseconds, a count is answered with an estimate. */
  deadline?: number;
  /** A worker silent for this long on one text is stuck and replaced. Longer than the deadline: a busy machine is not a stuck worker. */
  stuckAfter?: number;
  /** With this many waiting, a count is answered with an estimate at once. */
  backlog?: number;
  /** Characters counted of one text; of a longer one, evenly spaced samples that make up this much. */
  cap?: number;
  /** The worker's file. */
  worker?: URL;
}

interface Job {
  request: CountRequest;
  /** Characters of the text per character counted; 1 when all of it is. */
  scale: number;
  resolve(count: { tokens: number; coarse: boolean }): void;
}

const SAMPLES = 16;

/** The worker starts with the first count, and does not keep the process alive when it has nothing to do. */
export function createTokenizer(options: TokenizerOptions = {}): Tokenizer {
  const { deadline = 2_000, stuckAfter = 10_000, backlog = 256, cap = 256 * 1024 } = options;
  const queue: Job[] = [];
  let worker: Worker | undefined;
  let current: Job | undefined; // one at a time, so that a stuck worker is told from a long queue
  let stuck: NodeJS.Timeout | undefined;
  let lastId = 0;
  let closed = false;

  function start(): Worker {
    const started = new Worker(options.worker ?? WORKER);
    started.on('message', ({ id, tokens, cut }: CountReply) => {
      if (id !== current?.request.id) return;
      const { scale, resolve } = current;
      release();
      resolve({ tokens: Math.round(tokens * scale), coarse: cut || scale > 1 });
      next();
    });
    const lost = () => {
      if (worker === started) replace();
    };
    started.on('error', lost);
    started.on('exit', lost);
    return started;
  }

  function release(): void {
    clearTimeout(stuck);
    current = undefined;
    worker?.unref();
  }

  /** What the lost worker was counting is answered by its deadline, or here: it is not tried again, it may be what killed it. */
  function replace(): void {
    const [failed, old] = [current, worker];
    release();
    worker = undefined;
    void old?.terminate();
    failed?.resolve(estimate(failed));
    next();
  }

  function next(): void {
    if (current || closed) return;
    current = queue.shift();
    if (!current) return;
    worker ??= start();
    worker.ref();
    stuck = setTimeout(replace, stuckAfter);
    worker.postMessage(current.request);
  }

  function count(model: string, text: string): Promise<{ tokens: number; coarse: boolean }> {
    if (text === '') return Promise.resolve({ tokens: 0, coarse: false });
    if (closed || queue.length >= backlog) return Promise.resolve({ tokens: coarseTokens(text), coarse: true });
    return new Promise((resolve) => {
      const texts = samplesOf(text, SAMPLES, cap);
      const counted = texts.reduce((sum, sample) => sum + sample.length, 0);
      const job: Job = {
        request: { id: ++lastId, encoding: encodingOf(model), texts },
        scale: text.length / counted,
        resolve(result) {
          clearTimeout(timer);
          resolve(result);
        },
      };
      const timer = setTimeout(() => {
        const at = queue.indexOf(job);
        if (at !== -1) queue.splice(at, 1);
        resolve(estimate(job));
      }, deadline);
      queue.push(job);
      next();
    });
  }

  async function close(): Promise<void> {
    closed = true;
    const left = current ? [current, ...queue.splice(0)] : queue.splice(0);
    release();
    for (const job of left) job.resolve(estimate(job));
    const old = worker;
    worker = undefined;
    await old?.terminate();
  }

  return { count, close };
}

function estimate({ request, scale }: Job): { tokens: number; coarse: boolean } {
  const tokens = request.texts.reduce((sum, text) => sum + coarseTokens(text), 0);
  return { tokens: Math.round(tokens * scale), coarse: true };
}

/** All of the text, or `number` evenly spaced pieces of it, the first at its start and the last at its end. */
function samplesOf(text: string, number: number, cap: number): string[] {
  if (text.length <= cap) return [text];
  const size = Math.max(1, Math.floor(cap / number));
  const stride = (text.length - size) / (number - 1);
  return Array.from({ length: number }, (_, index) => {
    const at = Math.floor(index * stride);
    return text.slice(at, at + size);
  });
}

const COARSE_CAP = 64 * 1024;
/** Tokens per UTF-16 unit: English prose; other alphabets; CJK and halves of emoji. */
const [ASCII, ALPHABET, IDEOGRAPH] = [0.25, 0.4, 1];

/** A guess from the kinds of characters, at once and at a cost bounded by 64 Ki of them. 0 for '' only. */
export function coarseTokens(text: string): number {
  if (text === '') return 0;
  let [tokens, seen] = [0, 0];
  for (const sample of samplesOf(text, SAMPLES, COARSE_CAP)) {
    seen += sample.length;
    for (let at = 0; at < sample.length; at++) {
      const code = sample.charCodeAt(at);
      tokens += code < 0x80 ? ASCII : code < 0x2e80 ? ALPHABET : IDEOGRAPH;
    }
  }
  return Math.max(1, Math.ceil((tokens / seen) * text.length));
}
