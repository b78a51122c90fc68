// The doctor's look at one stream on its way: is it passed on as it is sent, is it compressed, are its headers kept. Two streams at once,
// one as a program asks for it and one as a browser does.
import { found, ok, type Result, skip } from './doctor.result.ts';
import type { Site } from './doctor.site.ts';
import { type Heard, hear, type Reply } from './doctor.wire.ts';

/** Two seconds, so that what a proxy gathers is far above what a busy machine delays. */
const PACED = 'lorem-40+rate-20';
const PATIENCE = 60_000;

export async function examineStream(site: Site, origin: string | undefined): Promise<Result[]> {
  const talker = site.talker(PACED);
  if (!talker) return [skip('buffering', 'no mock among its models, and no --model')];
  const browser = { 'accept-encoding': 'gzip, deflate, br, zstd', ...(origin !== undefined && { origin }) };
  const [plain, asBrowser] = await Promise.all([site.chat(talker), site.chat(talker, { headers: browser })]);
  if (plain.refused) return [found('chat-refused', plain.refused.line)];
  if (asBrowser.refused) return [found('chat-refused', `asked as a browser: ${asBrowser.refused.line}`)];
  const [heard, heardByBrowser] = await Promise.all([hear(plain.reply, PATIENCE), hear(asBrowser.reply, PATIENCE)]);
  const paced = site.mock(PACED) !== undefined;
  const passage = passageOf(heard, paced);
  return [
    passage.wrong ? found(passage.wrong, passage.line) : ok('buffering', passage.line),
    compression(asBrowser.reply, passageOf(heardByBrowser, paced)),
    ...headersOf(plain.reply, site),
    ...(origin === undefined ? [] : await cors(site, asBrowser.reply, origin)),
  ];
}

interface Passage {
  wrong?: 'held-back' | 'in-lumps' | 'chat-refused';
  line: string;
}

/** How long the server took to say it, by its own account, against how long it took to arrive. */
function passageOf({ events, state }: Heard, paced: boolean): Passage {
  const tokens = events.filter(({ name }) => name === 'token' || name === 'reasoning');
  const last = events.at(-1);
  const first = tokens[0];
  const timing = last?.data.timing;
  if (state === 'open') return { wrong: 'held-back', line: `its end did not come in ${seconds(PATIENCE)}` };
  if (state === 'cut') return { wrong: 'chat-refused', line: `the stream was cut after ${events.length} events` };
  if (!first || !timing) return { wrong: 'chat-refused', line: `Millrace: ${last?.data.code ?? 'no answer in it'}` };
  const sent = timing.total_ms - (timing.first_token_ms ?? 0);
  const took = last!.at - first.at;
  let arrivals = 1;
  for (const [at, token] of tokens.entries()) if (at > 0 && token.at - tokens[at - 1]!.at > 5) arrivals++;
  const line = `${tokens.length} events in ${arrivals} arrival${arrivals === 1 ? '' : 's'}, sent over ${seconds(sent)}, read over ${seconds(took)}`;
  if (sent > 500 && took < sent * 0.3) return { wrong: 'held-back', line };
  // A real provider may itself send several at once; the mock does not.
  if (paced && arrivals < tokens.length / 3) return { wrong: 'in-lumps', line };
  return { line };
}

function compression({ headers }: Reply, { wrong, line }: Passage): Result {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return ok('compression', 'none, though a browser offers it');
  return wrong
    ? found('compressed-held', `${encoding}: ${line}`)
    : found('compressed', `${encoding}, passed on event by event`);
}

function headersOf({ headers }: Reply, site: Site): Result[] {
  const results: Result[] = [];
  const type = headers['content-type'] ?? 'missing';
  if (!type.startsWith('text/event-stream')) results.push(found('content-type', `content-type: ${type}`));
  if (headers['millrace-stream-id'] === undefined) results.push(found('stream-id', 'millrace-stream-id: missing'));
  const cache = headers['cache-control'] ?? 'missing';
  if (!cache.includes('no-transform')) results.push(found('no-transform', `cache-control: ${cache}`));
  if (results.length > 0) return results;
  // nginx takes x-accel-buffering for itself and does not hand it on: that is no loss.
  const accel = headers['x-accel-buffering'] ?? (site.proxies().length > 0 ? 'read by the proxy' : 'missing');
  return [ok('headers', `content-type, cache-control, millrace-stream-id; x-accel-buffering: ${accel}`)];
}

async function cors(site: Site, { headers }: Reply, origin: string): Promise<Result[]> {
  const allowed = headers['access-control-allow-origin'];
  if (allowed !== origin && allowed !== '*') {
    const line = `access-control-allow-origin: ${allowed ?? 'missing'}`;
    return [found('cors', allowed?.includes(',') ? `${line} (set twice)` : line)];
  }
  const preflight = await site.json({
    method: 'OPTIONS',
    path: '/v1/chat',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });
  if (preflight.refused) return [found('cors', `OPTIONS: ${preflight.refused.line}`)];
  const exposed = headers['access-control-expose-headers'] ?? '';
  if (!/millrace-stream-id|^\*$/i.test(exposed))
    return [found('cors-hidden', `access-control-expose-headers: ${exposed || 'missing'}`)];
  return [ok('headers', `pages of ${origin} may call, and read millrace-stream-id`)];
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
}
