// How many streams one tab can have open at once: six over HTTP/1.1, all of them over HTTP/2.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { AUTHORITY, IDENTITY } from '../providers/transport.servers.ts';
import { startMillrace } from '../support/millrace.ts';

const STREAMS = 30;
let browser: Browser;

beforeAll(async () => {
  tls.setDefaultCACertificates([...tls.getCACertificates(), AUTHORITY]);
  const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

/** Runs in the page: the most streams that had begun and not ended at the same time, and how each ended. */
async function openAll(count: number) {
  let open = 0;
  let most = 0;
  const one = async () => {
    const response = await fetch('/v1/chat', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'mock/lorem-20+rate-20', messages: [{ role: 'user', content: 'Hi' }] }),
    });
    most = Math.max(most, ++open);
    const text = await response.text();
    open--;
    return /event: done\n/.test(text);
  };
  const ends = await Promise.all(Array.from({ length: count }, one));
  return { most, done: ends.filter(Boolean).length };
}

test.each([
  ['HTTP/2', true, STREAMS],
  ['HTTP/1.1', false, 6],
])(`${STREAMS} streams in one tab over %s`, async (_, http2, expected) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-http2-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(cert, IDENTITY.cert);
  await writeFile(key, IDENTITY.key);
  const millrace = await startMillrace(
    `{ providers: { mock: {} }, server: { tls: { cert: "${cert}", key: "${key}", http2: ${http2} } } }`,
  );
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(millrace.url);
  expect(await page.evaluate(openAll, STREAMS)).toEqual({ most: expected, done: STREAMS });
});
