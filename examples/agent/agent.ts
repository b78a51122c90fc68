// An agent in the terminal: node agent.ts "What is this folder about?" [FOLDER]
// The answer goes to stdout, all else to stderr. Ctrl-C stops the model too. Exit code 0 where it came to an end, 130 when stopped.
import Anthropic, { APIError, APIUserAbortError } from '@anthropic-ai/sdk';
import { runAgent } from './loop.ts';
import { folderTools } from './tools.ts';

const { MILLRACE_URL = 'http://127.0.0.1:8787', MILLRACE_KEY = 'none' } = process.env;
const { MODEL = 'mock-anthropic/reasoning+tools-2+rate-30', MAX_TURNS = '10' } = process.env;
const [question = 'What is this folder about?', folder = '.'] = process.argv.slice(2);

const DIM = process.stderr.isTTY ? '\x1b[2m' : '';
const PLAIN = process.stderr.isTTY ? '\x1b[0m' : '';
const note = (text: string) => process.stderr.write(`${DIM}${text}${PLAIN}`);
const brief = (text: string) => (text.length > 100 ? `${text.slice(0, 100)} …` : text).replaceAll('\n', ' ');

const stopped = new AbortController();
process.once('SIGINT', () => stopped.abort()); // once: a second Ctrl-C ends the process as always

try {
  const { reason, turns, inputTokens, outputTokens } = await runAgent([{ role: 'user', content: question }], {
    client: new Anthropic({ baseURL: MILLRACE_URL, apiKey: MILLRACE_KEY }),
    model: MODEL,
    tools: folderTools(folder),
    maxTurns: Number(MAX_TURNS),
    signal: stopped.signal,
    listener: {
      thinking: note,
      text: (piece) => void process.stdout.write(piece),
      call: (name, input) => note(`→ ${name} ${JSON.stringify(input)}\n`),
      result: (name, output, failed) => note(`← ${name}${failed ? ' failed' : ''}: ${brief(output)}\n`),
    },
  });
  process.stdout.write('\n');
  note(`${reason} after ${turns} turns, ${inputTokens} tokens in, ${outputTokens} out\n`);
  if (reason !== 'end_turn') process.exitCode = 1;
} catch (error) {
  if (error instanceof APIUserAbortError || stopped.signal.aborted) {
    note('\nstopped\n');
    process.exitCode = 130;
  } else if (error instanceof APIError) {
    const { error: inner } = (error.error ?? {}) as { error?: { message?: string } };
    note(`\n${inner?.message ?? error.message}\n`);
    process.exitCode = 1;
  } else throw error;
}
