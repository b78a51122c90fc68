// `millrace chat`: asks a model from the terminal, once or as a conversation, through the client that everybody else has. Knows where
// Millrace is and what was asked; how an answer looks is in chat.print.ts, typing in chat.prompt.ts.
// Exit codes: 0 done, 1 failed, 130 stopped.
import { Command, InvalidArgumentError } from 'commander';
import pino from 'pino';
import { type ChatStream, type Client, createClient, type Message, MillraceError } from '../client/index.ts';
import { type Environment, readEnvironment } from '../config/environment.ts';
import { type Config, formatProblems, loadConfig } from '../config/load.ts';
import { StartError, start } from '../main.ts';
import { createPrinter, type Printer } from './chat.print.ts';
import { createPrompt, pipedText } from './chat.prompt.ts';

interface Options {
  config?: string;
  url?: string;
  key?: string;
  model?: string;
  prompt?: string;
  var: Record<string, unknown>;
  system?: string;
  maxTokens?: number;
  temperature?: number;
  reasoning?: boolean;
  json?: boolean;
}

export function chatCommand(): Command {
  return new Command('chat')
    .description('ask a model and see its answer as it comes; without a message, have a conversation')
    .argument('[message...]', 'what to ask; what is piped in comes after it')
    .option('-m, --model <name>', "an alias or provider/model (default: the server's, or the first it lists)")
    .option('-p, --prompt <name>', 'a template of the prompts folder, in front of the message')
    .option('--var <name=value>', 'a variable of it, may be repeated; name:=value for JSON', variable, {})
    .option('-s, --system <text>', 'a system message')
    .option('--max-tokens <number>', 'most tokens to answer with', number)
    .option('--temperature <number>', '0 to 2', number)
    .option('--reasoning', 'show what the model thinks, on stderr (default: in a terminal)')
    .option('--no-reasoning', 'do not')
    .option('--json', 'for programs: one event per line')
    .option('--url <address>', 'where Millrace is (default: $MILLRACE_URL, or the address of the config)')
    .option('--key <key>', 'the access key (default: $MILLRACE_API_KEY)')
    .option('-c, --config <file>', 'config file (default: as serve)')
    .action(chat);
}

async function chat(words: string[], options: Options): Promise<void> {
  const { env } = await readEnvironment(process.cwd(), process.env);
  const message = [words.join(' '), await pipedText()].filter((text) => text !== '').join('\n\n');
  const conversing = message === '' && options.prompt === undefined;
  if (conversing && !process.stdin.isTTY)
    throw new StartError('There is nothing to ask: give a message, or pipe it in.');

  const { client, close } = await reach(options, env);
  const { reasoning, json = false } = options;
  let stopRunning: (() => void) | undefined;
  const printer = createPrinter({ reasoning, json, onClosed: () => stopRunning?.() });
  const ask = (messages: Message[]) =>
    answer(client, messages, options, printer, (stop) => {
      stopRunning = stop;
    });
  try {
    if (conversing) await converse(ask, options);
    else process.exitCode = (await ask([...system(options), ...(message === '' ? [] : [user(message)])])).exitCode;
  } finally {
    await close();
  }
}

/** The server that is asked. Where none was named and none runs, one runs in this process for as long as it is needed. */
async function reach(options: Options, env: Environment): Promise<{ client: Client; close(): Promise<void> }> {
  const apiKey = options.key ?? env.MILLRACE_API_KEY;
  const given = options.url ?? env.MILLRACE_URL;
  if (given) return { client: createClient({ baseUrl: given, apiKey }), close: async () => {} };

  const loaded = await loadConfig({ path: options.config });
  if (!loaded.ok) throw new StartError(formatProblems(loaded.problems));
  const { server } = loaded.config;
  const baseUrl = addressOf(server);
  const client = createClient({ baseUrl, apiKey });
  if (await isMillrace(client)) return { client, close: async () => {} };
  if (server.tls) throw new StartError(`No Millrace answers at ${baseUrl}. Run millrace serve, or say --url.`); // by the certificate's name
  if (process.stderr.isTTY) process.stderr.write(`No Millrace answers at ${baseUrl}; one runs in this process.\n`);
  // Its log goes nowhere, whatever level a changed config asks for: stdout is for the answer.
  const logger = pino({ level: 'silent' }, { write() {} });
  const own = await start({ config: options.config, host: '127.0.0.1', port: 0, logger });
  return { client: createClient({ baseUrl: own.url, apiKey }), close: () => own.close(0) };
}

function addressOf({ host, port, tls }: Config['server']): string {
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `${tls ? 'https' : 'http'}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** One that refuses the key is one, too. */
async function isMillrace(client: Client): Promise<boolean> {
  try {
    await client.models();
    return true;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return error.code !== 'connection_failed' && error.code !== 'invalid_response';
  }
}

interface Outcome {
  exitCode: number;
  text: string;
}

/** Where no model was named the server may have a default, and the prompt too; where neither has, the first of the list answers. */
async function answer(
  client: Client,
  messages: Message[],
  options: Options,
  printer: Printer,
  onStream: (stop: (() => void) | undefined) => void,
): Promise<Outcome> {
  const { model, prompt, maxTokens, temperature } = options;
  const request = {
    model,
    messages,
    ...(prompt !== undefined && { prompt: { name: prompt, variables: options.var } }),
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(temperature !== undefined && { temperature }),
  };
  const ask = (name = model) => show(client.chat({ ...request, model: name }), printer, onStream);
  try {
    return await ask().catch(async (error) => {
      const needsModel = model === undefined && error instanceof MillraceError && error.param === 'model';
      if (!needsModel) throw error;
      return ask((await client.models())[0]?.id ?? 'mock/echo');
    });
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    printer.failed(error);
    return { exitCode: 1, text: '' };
  }
}

/** Prints a stream to its end. The first Ctrl-C stops it, the second leaves at once. */
async function show(stream: ChatStream, printer: Printer, onStream: (stop?: () => void) => void): Promise<Outcome> {
  let stopping = false;
  let finish: string | undefined;
  let text = '';
  const stop = () => {
    stopping = true;
    void stream.stop();
  };
  const onSignal = () => (stopping ? process.exit(130) : stop());
  onStream(stop);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    for await (const event of stream) {
      printer.event(event);
      if (event.type === 'token') text += event.text;
      if (event.type === 'done') finish = event.finish_reason;
    }
    if (finish === undefined) printer.stopped();
    return { exitCode: (finish ?? 'cancelled') === 'cancelled' && !printer.closed() ? 130 : 0, text };
  } finally {
    onStream(undefined);
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** Turn by turn, each with those before it. A question that failed is forgotten, so that it can be asked again. */
async function converse(ask: (messages: Message[]) => Promise<Outcome>, options: Options): Promise<void> {
  const prompt = createPrompt('Ctrl-C stops an answer, Ctrl-D leaves.');
  const messages = system(options);
  for (;;) {
    const line = await prompt();
    if (line === undefined) return;
    if (line === '') continue;
    const asked = user(line);
    const { text, exitCode } = await ask([...messages, asked]);
    if (exitCode !== 1) messages.push(asked, { role: 'assistant', content: text });
  }
}

const user = (content: string): Message => ({ role: 'user', content });
const system = ({ system: content }: Options): Message[] =>
  content === undefined ? [] : [{ role: 'system', content }];

function variable(text: string, earlier: Record<string, unknown>): Record<string, unknown> {
  const [, name, json, value] = /^([^=]+?)(:?)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('expected name=value');
  if (!json) return { ...earlier, [name]: value };
  try {
    return { ...earlier, [name]: JSON.parse(value) };
  } catch {
    throw new InvalidArgumentError(`what follows ${name}:= is no JSON`);
  }
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('expected a number');
  return value;
}
