// What may stand in millrace.yaml, field by field: the one source of types, defaults, editor help and most messages.
// Knows no file, no environment, no vendor. What one value means for another is checked in checks.ts.
import { z } from 'zod';
import { onDisconnect } from '../core/chat.ts';
import { dollars, duration, flag, integer, matching, section, size, text } from './fields.ts';
import { provider, providerName } from './providers.ts';

const server = section({
  host: text().prefault('127.0.0.1').describe('Address to listen on. Anything but loopback needs at least one key.'),
  port: integer(0, 65_535).prefault(8787).describe('Port to listen on; 0 takes any free one.'),
  maxBody: size().prefault('10MiB').describe('Largest request body.'),
  cors: z
    .array(text(), { error: 'expected a list of origins' })
    .prefault([])
    .describe('Origins whose pages may call Millrace from a browser, such as https://chat.example.com; "*" for all.'),
  drain: duration({ min: 0 }).prefault('30s').describe('How long live streams get to finish after SIGTERM.'),
  tls: section({
    cert: text().describe(
      'Certificate and the chain above it, a PEM file. A renewed file is taken up without a restart.',
    ),
    key: text().describe('Private key of the certificate, a PEM file.'),
    http2: flag()
      .prefault(true)
      .describe('Also speak HTTP/2: any number of streams on one connection, where browsers open six of HTTP/1.1.'),
  })
    .optional()
    .describe('Serve https. Without it, http: then TLS, if any, is in front of Millrace.'),
}).describe('Where Millrace listens.');

const log = section({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .prefault('info')
    .describe('The least important line that is still written.'),
  content: flag()
    .prefault(false)
    .describe('Also log prompts and answers. They are private: leave this off in production.'),
}).describe('What is logged.');

const timeouts = {
  connect: duration().describe('Until the provider has accepted the connection.'),
  firstToken: duration().describe('From the request until the first token.'),
  idle: duration().describe('Between two tokens.'),
  total: duration().describe('For the whole answer.'),
};
const globalTimeouts = section({
  connect: timeouts.connect.prefault('5s'),
  firstToken: timeouts.firstToken.prefault('60s'),
  idle: timeouts.idle.prefault('60s'),
  total: timeouts.total.prefault('10m'),
}).describe('How long to wait for a provider, wherever an alias does not say otherwise.');

const target = text().describe('provider/model; everything after the first slash is the name of the model.');
const targets = z.array(target).min(1, { error: 'expected at least one target' });
const fullModel = section({
  targets: targets.describe('Where a request may go, in order of preference.'),
  strategy: z.enum(['fallback']).prefault('fallback').describe('fallback: the next target is asked when one fails.'),
  retries: integer(0, 10).prefault(0).describe('How often a target is asked again before the next one is.'),
  timeouts: section(timeouts).partial().prefault({}).describe('Waits that differ from the global ones.'),
}).describe('An alias.');
const alias = z.string().regex(/^[^/\s*]+$/, {
  error: 'an alias has no "/", "*" or spaces in its name: provider/model is how models are named directly',
});
const model = z
  .union([target, targets, fullModel], { error: 'expected "provider/model", a list of them, or a map with targets' })
  .transform((given) =>
    typeof given === 'string' || Array.isArray(given) ? fullModel.parse({ targets: [given].flat() }) : given,
  )
  .describe('Targets and how they are tried; just one target or a list of targets is enough.');

const DOORS = ['native', 'openai', 'openai-responses', 'anthropic', 'gemini', 'ui'] as const;
const door = section({
  models: z
    .record(z.string(), text(), { error: 'expected a map of names to aliases' })
    .prefault({})
    .describe('What names that clients ask for stand for: an alias or provider/model. * stands for any characters.'),
  default: text().optional().describe('An alias or provider/model for requests that name no model.'),
}).describe('A front door.');

const key = section({
  name: text().describe('What usage is booked on. Unique.'),
  hash: matching(
    /^sha256:[0-9a-f]{64}$/,
    'expected "sha256:" and 64 hex digits: printf %s "$KEY" | sha256sum',
  ).describe('sha256: and the hex SHA-256 of the key: printf %s "$KEY" | sha256sum'),
  models: z
    .array(text())
    .optional()
    .describe('Aliases and provider/model names this key may use; * stands for any characters. Without it: all.'),
  admin: flag().prefault(false).describe("Sees everyone's usage, not only its own."),
  onDisconnect: onDisconnect.optional().describe('As streams.onDisconnect, for this key.'),
}).describe('One key that clients may come with.');

const streams = section({
  onDisconnect: onDisconnect
    .prefault('cancel')
    .describe(
      'When the last client goes away: cancel stops the provider at once, detach after a grace time, finish lets it run to the end.',
    ),
  grace: duration({ min: 0 }).prefault('30s').describe('How long detach waits for a client to come back.'),
  retain: duration({ min: 0 }).prefault('5m').describe('How long a stream can be read again after its end.'),
  buffer: size()
    .prefault('1MiB')
    .describe('How much of one stream is kept to be read again; who falls further behind ends as slow_client.'),
  memory: size().prefault('256MiB').describe('How much is kept of all streams together; the oldest is dropped first.'),
  heartbeat: duration()
    .prefault('15s')
    .describe('Silence after which a comment is sent, so that no proxy cuts the stream.'),
  commitAfter: duration({ min: 0 })
    .prefault('10s')
    .describe('Silence of the provider after which the response begins anyway.'),
  stall: duration().prefault('60s').describe('A client that reads nothing for this long ends as slow_client.'),
}).describe('How streams behave.');

const stores = section({
  ledger: matching(
    /^(sqlite:.|postgres(ql)?:\/\/.)/,
    'expected sqlite: and a file, such as sqlite:data/millrace.db, or postgres://user:password@host/database',
  )
    .prefault('sqlite:data/millrace.db')
    .describe(
      'Where usage is booked: sqlite: and a file, or postgres://user:password@host/database for several nodes.',
    ),
  live: matching(/^(memory$|rediss?:\/\/.+)/, 'expected memory, or redis:// (rediss:// with TLS) and an address')
    .prefault('memory')
    .describe(
      'Where running streams are known: memory, of this process alone, or redis://…, of all nodes that use it.',
    ),
}).describe('Where things are kept.');

const price = section({
  input: dollars().describe('USD per million input tokens.'),
  output: dollars().describe('USD per million output tokens.'),
  cachedInput: dollars().optional().describe('USD per million input tokens read from a cache; as input without it.'),
  cacheWriteInput: dollars()
    .optional()
    .describe('USD per million input tokens written to a cache; as input without it.'),
}).describe('Price of one model.');

export const configSchema = section({
  server: server.prefault({}),
  log: log.prefault({}),
  providers: z
    .record(providerName, provider, { error: 'expected a map of provider names' })
    .prefault({})
    .describe('The upstreams, by name. Named after a known vendor, one needs neither wire nor baseUrl nor apiKey.'),
  timeouts: globalTimeouts.prefault({}),
  models: z
    .record(alias, model, { error: 'expected a map of aliases' })
    .prefault({})
    .describe('Aliases: names of your own for models. provider/model always works too.'),
  doors: z
    .partialRecord(z.enum(DOORS), door, {
      error: ({ code }: { code: string }) => (code === 'unrecognized_keys' ? DOORS.join(', ') : undefined),
    })
    .prefault({})
    .describe('Per front door, what the names of clients that cannot be told another model stand for.'),
  keys: z
    .array(key, { error: 'expected a list of keys' })
    .prefault([])
    .describe('Keys that clients may come with. Without any, Millrace listens on loopback only.'),
  streams: streams.prefault({}),
  stores: stores.prefault({}),
  prices: z
    .record(z.string(), price, { error: 'expected a map of provider/model names' })
    .prefault({})
    .describe('Prices by provider/model, before the built-in ones.'),
  prompts: text().prefault('prompts').describe('Folder of the prompt templates.'),
}).transform(({ models, ...config }) => ({
  ...config,
  models: Object.fromEntries(
    Object.entries(models).map(([name, given]) => [
      name,
      { ...given, timeouts: { ...config.timeouts, ...given.timeouts } },
    ]),
  ),
}));

export type Config = z.output<typeof configSchema>;
