// Several nodes over one Redis: any of them serves any stream, a stop reaches its owner, and what becomes of streams when Redis or a node
// goes away.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import * as vitest from 'vitest';
import { expect, onTestFinished } from 'vitest';
import { StartError, start } from '../../src/main.ts';
import {
  ask,
  eventually,
  foldNative,
  idOf,
  readSse,
  type Sse,
  startMillrace,
  type TestMillrace,
} from '../support/millrace.ts';
import { hasRedis, startRedis, type TestRedis } from '../support/redis.ts';

const { describe, test } =
  hasRedis || process.env.MILLRACE_SERVERS === 'required'
    ? vitest
    : { describe: vitest.describe.skip, test: vitest.test.skip };
if (!hasRedis)
  console.warn('Several nodes are not tested: there is no redis-server here (Debian: apt-get install redis-server).');

const PROVIDERS = 'providers: { mock: {}, mock-anthropic: {} }';

async function node(redis: TestRedis, yaml = PROVIDERS): Promise<TestMillrace> {
  const millrace = await startMillrace(`${yaml}\nstores: { live: "${redis.url}" }`);
  await eventually(
    () => ready(millrace),
    ({ live }) => live === 'ok',
  );
  return millrace;
}

const ready = async ({ url }: { url: string }) => (await (await fetch(`${url}/readyz`)).json()) as any;
const follow = (on: { url: string }, id: string, last = 0) =>
  fetch(`${on.url}/v1/streams/${id}`, { headers: last === 0 ? {} : { 'last-event-id': String(last) } });
const followersAt = async (on: { url: string }) =>
  ((await (await fetch(`${on.url}/v1/streams`)).json()) as any).data[0]?.followers;
const readUpTo = (response: Response, id: number) => readSse(response, (event) => Number(event.id) >= id);

/** A node in a process of its own, which can be killed. */
async function nodeProcess(redis: TestRedis): Promise<{ url: string; child: ChildProcess }> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-node-'));
  await writeFile(
    join(folder, 'millrace.yaml'),
    `${PROVIDERS}\nserver: { port: 0 }\nlog: { level: silent }\nstores: { live: "${redis.url}" }\n`,
  );
  const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
  const child = spawn(process.execPath, [cli, 'serve'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.once('exit', (code) => reject(new Error(`the node ended with ${code}: ${said}`)));
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      said += text;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
      if (found) resolve(found[0]);
    });
  });
  await eventually(
    () => ready({ url }),
    ({ live }) => live === 'ok',
  );
  return { url, child };
}

describe('any node serves any stream', () => {
  const messages = [{ role: 'user', content: 'Hi' }];
  const DOORS: [string, object][] = [
    ['/v1/chat', { messages }],
    ['/v1/chat/completions', { stream: true, messages }],
    ['/v1/messages', { stream: true, max_tokens: 1000, messages }],
    ['/v1/responses', { stream: true, input: 'Hi' }],
    ['/v1/ui/chat', { messages: [{ id: 'm', role: 'user', parts: [{ type: 'text', text: 'Hi' }] }] }],
  ];
  test.each(DOORS)('%s: from every event on, during and after, in the same shape', async (path, body) => {
    const redis = await startRedis();
    const [owner, other] = [await node(redis), await node(redis)];
    const first = await owner.post(path, { model: 'mock/reasoning-3+lorem-12+rate-60', ...body });
    const id = idOf(first);
    const found = await eventually(
      () => follow(other, id),
      ({ status }) => status === 200,
    );
    expect(found.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(idOf(found)).toBe(id);
    const [events, followed] = await Promise.all([readSse(first), readSse(found)]);
    expect(followed).toEqual(events);
    for (let last = 1; last < events.length; last++) {
      expect(await readSse(await follow(other, id, last))).toEqual(events.slice(last));
    }
    expect((await follow(other, id, events.length)).status).toBe(204);
    expect(await other.rows()).toHaveLength(0);
    expect(await owner.rows()).toHaveLength(1);
  });

  test('an answer with letters of every kind, cut anywhere, many followers at once', async () => {
    const redis = await startRedis();
    const [owner, other] = [await node(redis), await node(redis)];
    const text = '„Grüße“ 😀 日本語 \u2028 '.repeat(200);
    const first = await owner.post('/v1/chat', {
      model: 'mock/echo+rate-500',
      messages: [{ role: 'user', content: text }],
    });
    const id = idOf(first);
    await eventually(
      () => follow(other, id),
      ({ status }) => status === 200,
    );
    const followers = Array.from({ length: 20 }, async () => foldNative(await readSse(await follow(other, id))));
    const said = foldNative(await readSse(first));
    expect(said.text.trimEnd()).toBe(text.trimEnd());
    for (const follower of await Promise.all(followers)) expect(follower.events).toEqual(said.events);
  });
});

test('a client on another node keeps a stream going, and its leaving ends it', async () => {
  const redis = await startRedis();
  const [owner, other] = [await node(redis), await node(redis)];
  const controller = new AbortController();
  const first = await owner.post('/v1/chat', ask('mock/lorem-2000+rate-100'), { signal: controller.signal });
  const id = idOf(first);
  const found = await eventually(
    () => follow(other, id),
    ({ status }) => status === 200,
  );
  await eventually(
    () => followersAt(owner),
    (count) => count >= 2,
  );
  controller.abort(); // cancel, by default: but somebody listens elsewhere
  await eventually(
    () => followersAt(owner),
    (count) => count === 1,
  );
  await readUpTo(found, 30); // and then leaves
  await owner.journal.waitFor((record) => record.client_left_at !== null, 20_000);
  expect((await owner.rows())[0]).toMatchObject({ end_reason: 'client_closed' });
});

test('a stop on any node reaches the owner, and everybody gets the end with the bill', async () => {
  const redis = await startRedis();
  const [owner, other] = [await node(redis), await node(redis)];
  const first = await owner.post('/v1/chat', ask('mock/lorem-2000+rate-100'));
  const id = idOf(first);
  const reading = readSse(first);
  const found = await eventually(
    () => follow(other, id),
    ({ status }) => status === 200,
  );
  const following = readSse(found);
  const stopped = await fetch(`${other.url}/v1/streams/${id}`, { method: 'DELETE' });
  const said: any = await stopped.json();
  expect(said).toMatchObject({ stream_id: id, finish_reason: 'cancelled', usage: { estimated: true } });
  const { end } = foldNative(await reading);
  expect(end.data.finish_reason).toBe('cancelled');
  expect(foldNative(await following).end).toEqual(end);
  expect((await owner.rows())[0]).toMatchObject({ end_reason: 'cancelled', cost_usd: said.cost_usd });
});

test('the resume URL of one node opens its stream on another; what runs is listed everywhere', async () => {
  const redis = await startRedis();
  const hash = 'sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b'; // of "secret"
  const keys = `${PROVIDERS}\nkeys: [{ name: web, hash: "${hash}" }]`;
  const [owner, other] = [await node(redis, keys), await node(redis, keys)];
  const auth = { authorization: 'Bearer secret' };
  const first = await owner.post('/v1/chat', ask('mock/lorem-500+rate-100'), { headers: auth });
  const [start] = await readUpTo(first.clone(), 1);
  const { resume_url } = JSON.parse(start!.data);
  const found = await eventually(
    () => fetch(other.url + resume_url),
    ({ status }) => status === 200,
  );
  expect((await follow(other, idOf(first))).status).toBe(401);
  const listed = await fetch(`${other.url}/v1/streams`, { headers: auth });
  expect(((await listed.json()) as any).data).toMatchObject([{ stream_id: idOf(first), key: 'web', followers: null }]);
  expect((await fetch(other.url + resume_url, { method: 'DELETE' })).status).toBe(200);
  await found.body!.cancel();
});

test('a node that is killed: its followers elsewhere are told within seconds', async () => {
  const redis = await startRedis();
  const [dying, other] = [await nodeProcess(redis), await node(redis)];
  const first = await fetch(`${dying.url}/v1/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ask('mock/lorem-5000+rate-100')),
  });
  const id = idOf(first);
  const found = await eventually(
    () => follow(other, id),
    ({ status }) => status === 200,
  );
  const following: Sse[] = [];
  const reading = readSse(found, (event) => {
    following.push(event);
    return false;
  });
  await eventually(() => following.length > 20);
  dying.child.kill('SIGKILL');
  const killedAt = performance.now();
  const { end, events } = foldNative(await reading); // its ids are contiguous to the end
  expect(end).toMatchObject({ type: 'error', data: { code: 'node_lost', retryable: true } });
  expect(events.length).toBeGreaterThan(20);
  console.log(`node_lost after ${Math.round(performance.now() - killedAt)} ms`);
  await first.body!.cancel().catch(() => {});
});

test('Redis is killed and comes back empty: streams go on, say so, and can be read on other nodes again', async () => {
  const redis = await startRedis();
  const [owner, other] = [await node(redis), await node(redis)];
  const first = await owner.post('/v1/chat', ask('mock/lorem-600+rate-100'));
  const id = idOf(first);
  const whole = readSse(first);
  await eventually(
    () => follow(other, id),
    ({ status }) => status === 200,
  ).then((response) => response.body!.cancel());
  await redis.kill('SIGKILL');
  await eventually(
    () => ready(owner),
    ({ live, status }) => live === 'unavailable' && status === 'ok',
  );
  const unreachable = await owner.post('/v1/chat', ask('mock/echo')); // what is new runs as well
  expect(foldNative(await readSse(unreachable)).end.type).toBe('done');
  await redis.start();
  for (const each of [owner, other])
    await eventually(
      () => ready(each),
      ({ live }) => live === 'ok',
    );
  const again = await eventually(
    () => follow(other, id),
    ({ status }) => status === 200,
  );
  const [events, followed] = await Promise.all([whole, readSse(again)]);
  expect(foldNative(events).end.data.finish_reason).toBe('stop');
  expect(followed).toEqual(events);
});

test('Redis that answers nobody stalls no stream', async () => {
  const redis = await startRedis();
  const owner = await node(redis);
  await redis.kill('SIGSTOP');
  const { end } = foldNative(await readSse(await owner.post('/v1/chat', ask('mock/lorem-100+rate-200'))));
  expect(end.data).toMatchObject({ finish_reason: 'stop', usage: { output_tokens: 100 } });
  expect((await fetch(`${owner.url}/v1/streams`)).status).toBe(200);
  await redis.kill('SIGCONT');
  await eventually(
    () => ready(owner),
    ({ live }) => live === 'ok',
    20_000,
  );
});

test('what others write into Redis harms no node', async () => {
  const redis = await startRedis();
  const [owner, other] = [await node(redis), await node(redis)];
  const first = await owner.post('/v1/chat', ask('mock/lorem-200+rate-100'));
  const id = idOf(first);
  const followed = await eventually(
    () => follow(other, id),
    ({ status }) => status === 200,
  );
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const nodes = await client.keys('millrace:node:*');
  for (const name of nodes) {
    const channel = name.replace(':node:', ':ctl:');
    for (const text of ['', 'x', 'null', '{}', `{"ask":"listeners","id":"${id}","from":1,"count":-5}`]) {
      await client.publish(channel, text);
    }
  }
  await client.hset('millrace:{str_forged}', 'card', 'no JSON');
  expect((await follow(other, 'str_forged')).status).toBe(503);
  await client.xadd(`millrace:{${id}}:said`, '99999999999-5', 'x', 'y');
  const [events] = await Promise.all([readSse(first), followed.body!.cancel()]);
  expect(foldNative(events).end.data.finish_reason).toBe('stop');
  expect((await ready(other)).live).toBe('ok');
});

test('a start that fails lets go of Redis', async () => {
  const redis = await startRedis();
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const failing = [
    { stores: { live: redis.url, ledger: 'sqlite:/dev/null/usage.db' } },
    {
      stores: { live: redis.url, ledger: 'sqlite::memory:' },
      providers: { up: { wire: 'openai', baseUrl: 'https://up.test/v1', apiKey: 'x', ca: '/nowhere.pem' } },
    },
    { stores: { live: 'redis://[' } },
  ];
  for (const config of failing) await expect(start({ config, env: {}, port: 0 })).rejects.toThrow(StartError);
  await eventually(
    async () =>
      String(await client.client('LIST'))
        .trim()
        .split('\n').length,
    (connections) => connections === 1,
  );
});

test('what was kept expires', async () => {
  const redis = await startRedis();
  const [owner, other] = [
    await node(redis, `${PROVIDERS}\nstreams: { retain: 400ms }`),
    await node(redis, `${PROVIDERS}\nstreams: { retain: 400ms }`),
  ];
  const first = await owner.post('/v1/chat', ask('mock/lorem-10'));
  await first.text();
  await eventually(
    () => follow(other, idOf(first)),
    ({ status }) => status === 404 || status === 410,
    20_000,
  );
});
