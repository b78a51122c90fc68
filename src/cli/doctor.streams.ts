// The doctor's look at what clients do with streams: leave, come back, stop, ask with a long request, ask eight at once.
import { found, ok, type Result, skip } from './doctor.result.ts';
import type { Site } from './doctor.site.ts';
import { seconds } from './doctor.stream.ts';
import { type Heard, hear, type Reply, textOf, type Wire } from './doctor.wire.ts';

/** Longer than any check, so that what is still there runs because nobody stopped it. */
const LONG = 'lorem-4000+rate-50';
/** How long the news of a client's leaving may take. */
const NEWS = 3000;
const PATIENCE = 10_000;

/** A stream of which some events were read. */
interface Begun {
  id: string;
  reply: Reply;
  heard: Heard;
}

async function begin(site: Site): Promise<Begun | string> {
  const talker = site.talker(LONG);
  if (!talker) return 'no mock among its models, and no --model';
  const { reply, refused } = { reply: undefined, ...(await site.chat(talker)) };
  if (!reply) return `no stream: ${refused?.line}`;
  const heard = await hear(reply, PATIENCE, ({ events }) => events.length >= 6);
  const id = heard.events[0]?.data.stream_id ?? reply.headers['millrace-stream-id'];
  if (heard.events.length < 6 || typeof id !== 'string') {
    reply.leave();
    return 'nothing was heard of the stream'; // buffering: that check says so
  }
  return { id, reply, heard };
}

const stop = (site: Site, id: string) =>
  site.json<{ finish_reason?: string }>({ method: 'DELETE', path: `/v1/streams/${id}` });

/** One of those that GET /v1/streams lists. */
interface Running {
  stream_id: string;
  model: string;
}

/** A client that is about to leave, and how its stream is known in the list. */
interface Leaver {
  when: string;
  is(stream: Running): boolean;
  leave(): void;
}

/**
 * Leaves while tokens come, in silence, and before the first token: a proxy that does not watch its clients notices the first when it
 * writes, the others never.
 */
export async function examineLeaving(site: Site): Promise<Result[]> {
  const begun = await begin(site);
  if (typeof begun === 'string') return [skip('leaving', begun)];
  const leavers: Leaver[] = [
    { when: 'while tokens came', is: ({ stream_id }) => stream_id === begun.id, leave: () => begun.reply.leave() },
    ...(site.mock('echo') === undefined ? [] : await Promise.all([inSilence(site), beforeTheFirst(site)])),
  ];
  const before = await runningAt(site);
  const left = performance.now();
  for (const { leave } of leavers) leave();
  if (!before?.some(leavers[0]!.is)) {
    await stop(site, begun.id);
    return [skip('leaving', 'GET /v1/streams does not list the stream; is there more than one server?')];
  }
  for (;;) {
    const running = await runningAt(site);
    if (!running) return [skip('leaving', 'GET /v1/streams does not say what runs')];
    const still = leavers.flatMap((leaver) =>
      running.filter(leaver.is).map(({ stream_id }) => ({ ...leaver, stream_id })),
    );
    const took = seconds(performance.now() - left);
    if (still.length === 0) return [ok('leaving', `the model was stopped within ${took}`)];
    if (performance.now() - left > NEWS) {
      for (const { stream_id } of still) await stop(site, stream_id);
      return [
        found('not-left', `still running ${took} after it was left ${still.map(({ when }) => when).join(' and ')}`),
      ];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function runningAt(site: Site): Promise<Running[] | undefined> {
  return (await site.json<{ data?: Running[] }>({ path: '/v1/streams' })).body?.data;
}

/** No other stream has this name, so that it is found in the list. */
function unique(site: Site, behaviour: (tokens: number) => string): string {
  return site.mock(behaviour(10_000 + Math.floor(Math.random() * 900_000)))!;
}

async function inSilence(site: Site): Promise<Leaver> {
  const name = unique(site, (tokens) => `lorem-${tokens}+stall-6`);
  const { reply } = { reply: undefined, ...(await site.chat({ model: name })) };
  if (reply) await hear(reply, PATIENCE, ({ events }) => events.length >= 6);
  return { when: 'in silence', is: ({ model }) => model === name, leave: () => reply?.leave() };
}

/** There are no headers yet, so it leaves by giving up the wait for them. */
async function beforeTheFirst(site: Site): Promise<Leaver> {
  const name = unique(site, (tokens) => `slow-30000+lorem-${tokens}`);
  await site.chat({ model: name }, { timeout: 500 });
  return { when: 'before the first token', is: ({ model }) => model === name, leave() {} };
}

/** Reads a running stream again from its third event, both ways; stops it; asks for what comes after the end. */
export async function examineResume(site: Site): Promise<Result[]> {
  const begun = await begin(site);
  if (typeof begun === 'string') return [skip('resume', begun)];
  const { id, reply, heard } = begun;
  const path = `/v1/streams/${id}`;
  const [byHeader, byQuery] = await Promise.all([
    firstOf(site, path, { 'last-event-id': '3' }),
    firstOf(site, `${path}?last_event_id=3`, {}),
  ]);
  const results: Result[] = [];
  const refused = [byHeader, byQuery].find((first) => typeof first === 'string');
  if (refused !== undefined) results.push(found('read-refused', `GET ${path}: ${refused}`));
  else {
    if (byHeader !== 4) results.push(found('last-event-id', `asked for what follows event 3, event ${byHeader} came`));
    if (byQuery !== 4) results.push(found('query', `asked for what follows event 3, event ${byQuery} came`));
  }
  const stopped = await stop(site, id);
  if (stopped.body?.finish_reason === undefined) {
    reply.leave();
    return [...results, found('stop-refused', `DELETE: ${stopped.refused?.line ?? `status ${stopped.status}`}`)];
  }
  await ended(heard);
  const last = heard.events.at(-1)!.id;
  reply.leave();
  const after = await site.json({ path: `${path}?last_event_id=${last}` });
  const over = after.status === 204 || after.refused?.code === 'stream_gone'; // streams.retain may be 0
  if (refused === undefined && byQuery === 4 && !over) results.push(found('end-hidden', `status ${after.status}`));
  if (results.length > 0) return results;
  return [ok('resume', 'read on by header and by query, stopped by DELETE, 204 at the end')];
}

async function ended(heard: Heard): Promise<void> {
  const deadline = performance.now() + NEWS;
  while (heard.state === 'open' && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The id of the first event that comes, or why none does. */
async function firstOf(site: Site, path: string, headers: Record<string, string>): Promise<number | string> {
  try {
    const reply = await site.ask({
      path,
      headers: { accept: 'text/event-stream', 'accept-encoding': 'identity', ...headers },
    });
    if (reply.status !== 200) return `status ${reply.status} ${(await textOf(reply)).slice(0, 120)}`.trim();
    const { events } = await hear(reply, PATIENCE, (heard) => heard.events.length > 0);
    reply.leave();
    return events[0]?.id ?? 'no event came';
  } catch (error) {
    return (error as Error).message;
  }
}

/** One that Millrace refuses after it has read it: it asks no model. */
export async function examineBody(site: Site): Promise<Result[]> {
  const body = { model: site.mock('echo') ?? 'none', messages: [], metadata: { padding: 'x'.repeat(1024 * 1024) } };
  const { refused } = await site.json({ method: 'POST', path: '/v1/chat', body });
  if (refused?.code === 'request_too_large') return [found('body-limit', refused.line)];
  if (refused?.code === undefined) return [found('body-refused', refused?.line ?? 'an answer that is not Millrace’s')];
  return [ok('body', 'a request of 1 MiB gets through')];
}

export async function examineParallel(site: Site, wires: Wire[]): Promise<Result[]> {
  const model = site.mock('lorem-20+rate-20');
  if (model === undefined) return [skip('parallel', 'only with the mock: with a model it would cost eight answers')];
  const results: Result[] = [];
  for (const wire of wires) results.push(await eightOver(site, model, wire));
  return results;
}

async function eightOver(site: Site, model: string, wire: Wire): Promise<Result> {
  const how = `over HTTP/${wire.version}`;
  const began = performance.now();
  const heard = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { reply, refused } = { reply: undefined, ...(await site.chat({ model }, { over: wire, timeout: 30_000 })) };
      return reply ? hear(reply, 30_000) : (refused?.line ?? 'refused');
    }),
  );
  const refused = heard.filter((each) => typeof each === 'string');
  const streams = heard.filter((each) => typeof each !== 'string');
  const cut = streams.filter(({ state }) => state !== 'ended').length;
  if (refused.length + cut > 0) {
    const why = refused[0] ?? 'cut in the middle';
    return found('refused-together', `${refused.length + cut} of 8 ${how}: ${why}`);
  }
  const lastBegan = Math.max(...streams.map(({ events }) => events[0]!.at));
  const firstEnded = Math.min(...streams.map(({ overAt }) => overAt));
  if (lastBegan > firstEnded) return found('one-by-one', `${how} the last began when the first had ended`);
  return ok('parallel', `8 streams at once ${how}, the last began after ${seconds(lastBegan - began)}`);
}
