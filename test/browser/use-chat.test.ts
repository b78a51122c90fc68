// The AI SDK's `useChat` in a real Chromium: the page of examples/next-chat over a real Millrace, by way of the example's route and
// straight. Waits are for what happens on the page, not for time.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page, type Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { eventually, startMillrace, type TestMillrace } from '../support/millrace.ts';
import { type ServedPage, servePage } from './next-chat.ts';

const EXECUTABLE = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
let browser: Browser;
let served: ServedPage;

beforeAll(async () => {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(
      `There is no Chromium at ${EXECUTABLE}. Install it (Debian: apt-get install chromium), or set CHROMIUM_PATH.`,
    );
  }
  served = await servePage();
  browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] });
});
afterAll(async () => {
  await browser?.close();
  await served?.close();
});

type Way = 'by way of route.ts' | 'straight at Millrace';
const WAYS: Way[] = ['by way of route.ts', 'straight at Millrace'];
const PROVIDERS = ['mock', 'mock-anthropic'];

interface Opened {
  page: Page;
  millrace: TestMillrace;
  /** Sends a message; resolves with the headers of the first answer. */
  send(text: string, model: string): Promise<Response>;
  /** The newest message of the model. */
  answer: ReturnType<Page['locator']>;
  /** How long the answer's text was, each time that it changed. */
  lengths(): Promise<number[]>;
}

/** Notes how the text of the last message grows. */
const RECORDER = `
  window.lengths = [];
  new MutationObserver(() => {
    const texts = document.querySelectorAll('.assistant:last-of-type > .text');
    const length = [...texts].map((node) => node.textContent).join('').length;
    if (length !== lengths.at(-1)) lengths.push(length);
  }).observe(document, { subtree: true, childList: true, characterData: true });
`;

/** Chromium notes each answer ≥ 400 and each refusal by CORS in the console, whatever the page does about it. */
const BROWSERS_OWN = /^Failed to load resource: |blocked by CORS policy/;

async function open(way: Way, { yaml = '', origin = served.origin } = {}): Promise<Opened> {
  const providers = PROVIDERS.map((name) => `${name}: {}`).join(', ');
  const millrace = await startMillrace(`server: { cors: ["${origin}"] }\nproviders: { ${providers} }\n${yaml}`);
  vi.stubEnv('MILLRACE_URL', millrace.url);
  const own = await browser.newContext();
  const page = await own.newPage();
  page.setDefaultTimeout(15_000);
  const wrong: string[] = [];
  page.on('console', (entry) => {
    if (['error', 'warning'].includes(entry.type()) && !BROWSERS_OWN.test(entry.text())) wrong.push(entry.text());
  });
  page.on('pageerror', (error) => wrong.push(String(error)));
  onTestFinished(async () => {
    await own.close();
    vi.unstubAllEnvs();
    expect(wrong).toEqual([]);
  });
  const api = way === 'straight at Millrace' ? `${millrace.url}/v1/ui/chat` : `${served.origin}/api/chat`;
  await page.addInitScript(way === 'straight at Millrace' ? `window.chatApi = '${api}';${RECORDER}` : RECORDER);
  await page.goto(served.origin);
  return {
    page,
    millrace,
    answer: page.locator('.assistant').last(),
    async send(text, model) {
      await page.getByLabel('Model').fill(model);
      const response = page.waitForResponse((r) => r.url() === api && r.request().method() === 'POST');
      await page.getByLabel('Message').fill(text);
      await page.getByLabel('Message').press('Enter');
      return response;
    },
    lengths: () => page.evaluate<number[]>('lengths'),
  };
}

const journalOf = (millrace: TestMillrace, provider: string) => millrace.mocks.get(provider)!.journal;

describe.each(WAYS)('%s', (way) => {
  describe.each(PROVIDERS)('%s', (provider) => {
    test('text grows on the page while it is generated, then the page says what it took', async () => {
      const { answer, send, lengths } = await open(way);
      await send('Hello', `${provider}/lorem-40+rate-40`);
      await answer
        .locator('footer')
        .getByText(`${provider}/lorem-40+rate-40 · tokens: 1 in, 40 out · $0.0000`)
        .waitFor();
      const grown = (await lengths()).filter((length) => length > 0);
      expect(grown.length).toBeGreaterThan(3);
      expect(grown).toEqual(grown.toSorted((a, b) => a - b));
      expect(await answer.locator('.text').textContent()).toMatch(/^Lorem ipsum dolor sit amet, .*\w$/);
    });

    test('thoughts are folded, two tools run in the browser, and the answer goes on in the same message', async () => {
      const { page, millrace, answer, send } = await open(way);
      await send('What time is it?', `${provider}/reasoning-6+tools-2`);
      const thoughts = answer.locator('.reasoning');
      await thoughts.getByText('Thoughts', { exact: true }).click();
      expect(await thoughts.locator('.text').textContent()).toMatch(/^The user asks/);

      await answer.getByLabel('question').fill('In Oslo');
      expect(await page.getByRole('button', { name: 'Stop' }).count()).toBe(0); // the page waits, no request does
      await answer.getByRole('button', { name: 'Answer' }).click();
      await answer.locator('> .text').getByText('In Oslo').waitFor();
      expect(await page.locator('.assistant').count()).toBe(1);
      expect(await answer.locator('.tool summary').allTextContents()).toEqual([
        'get_local_time answered',
        'ask_user answered',
      ]);

      const asked = journalOf(millrace, provider).list();
      expect(asked).toHaveLength(2);
      expect(JSON.stringify(asked[1]!.body)).toContain(new Date().getFullYear().toString());
      expect(JSON.stringify(asked[1]!.body)).toContain('In Oslo');
      expect((await millrace.rows()).map((row) => row.end_reason)).toEqual(['stop', 'tool-calls']);
    });

    test('stop ends the answer at the provider, and the chat goes on', async () => {
      const { page, millrace, answer, send, lengths } = await open(way);
      await send('Hello', `${provider}/lorem-9000+rate-50`);
      await eventually(lengths, (list) => list.at(-1)! > 20);
      await page.getByRole('button', { name: 'Stop' }).click();
      const record = await journalOf(millrace, provider).waitFor((r) => r.client_left_at !== null);
      expect(record.tokens_sent).toBeLessThan(9000);
      expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed', door: 'ui' });
      expect(await page.getByRole('alert').count()).toBe(0);
      expect(await answer.locator('.text').textContent()).toMatch(/^Lorem ipsum/);

      await send('Go on', `${provider}/echo`);
      await answer.getByText('Go on', { exact: true }).waitFor();
    });

    test('an error before the stream is said in its own words, and can be tried again', async () => {
      const { page, answer, send } = await open(way);
      const response = await send('Hello', `${provider}/error-429`);
      expect(response.status()).toBe(429);
      expect(response.headers()['content-type']).toMatch(/^application\/json/);
      const alert = page.getByRole('alert');
      await alert.waitFor();
      expect(await alert.textContent()).toBe(`${(await response.json()).error.message} Try again`);

      await page.getByLabel('Model').fill(`${provider}/echo`);
      await alert.getByRole('button', { name: 'Try again' }).click();
      await answer.getByText('Hello', { exact: true }).waitFor();
      expect(await alert.count()).toBe(0);
      expect(await page.locator('.user').count()).toBe(1);
    });

    test('an error inside the stream leaves what came before it, and can be tried again', async () => {
      const { page, millrace, answer, send } = await open(way);
      const response = await send('Hello', `${provider}/error-after-3+rate-200`);
      expect(response.status()).toBe(200);
      const alert = page.getByRole('alert');
      await alert.waitFor();
      expect(await alert.textContent()).toMatch(/^The provider reported an error: .* Try again$/);
      expect(await answer.locator('.text').textContent()).toBe('Lorem ipsum dolor');
      expect(await answer.locator('footer').textContent()).toMatch(/tokens: \d+ in, 3 out/);
      expect((await millrace.rows())[0]!.end_reason).toMatch(/^upstream_/);

      await page.getByLabel('Model').fill(`${provider}/echo`);
      await alert.getByRole('button', { name: 'Try again' }).click();
      await answer.getByText('Hello', { exact: true }).waitFor();
      expect(await alert.count()).toBe(0);
      expect(await page.locator('.assistant').count()).toBe(1);
    });
  });

  test('a tab that is closed ends the answer at the provider', async () => {
    const { page, millrace, send, lengths } = await open(way);
    await send('Hello', 'mock/lorem-9000+rate-50');
    await eventually(lengths, (list) => list.at(-1)! > 20);
    await page.close();
    await millrace.journal.waitFor((r) => r.client_left_at !== null);
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'client_closed' });
  });
});

test('the key is known to the route alone', async () => {
  const hash = createHash('sha256').update('secret-of-the-page').digest('hex');
  const yaml = `keys: [{ name: page, hash: "sha256:${hash}", models: ["mock/*"] }]`;
  const { page, send, answer } = await open('by way of route.ts', { yaml });
  const refused = await send('Hello', 'mock/echo');
  expect(refused.status()).toBe(401);
  await page.getByRole('alert').getByText('A key is needed').waitFor();

  vi.stubEnv('MILLRACE_KEY', 'secret-of-the-page');
  const accepted = await send('Hello again', 'mock/echo');
  await answer.getByText('Hello again', { exact: true }).waitFor();
  expect(accepted.request().headers()).not.toHaveProperty('authorization');
  expect(accepted.headers()).toMatchObject({
    'cache-control': expect.stringContaining('no-transform'),
    'x-accel-buffering': 'no',
    'millrace-stream-id': expect.stringMatching(/^str_/),
  });
  expect((await send('Hello', 'mock-anthropic/echo')).status()).toBe(403);
});

test('a Millrace that is not there is an error that a person can read', async () => {
  const { page, send } = await open('by way of route.ts');
  vi.stubEnv('MILLRACE_URL', 'http://127.0.0.1:9');
  expect((await send('Hello', 'mock/echo')).status()).toBe(503);
  await page.getByRole('alert').getByText('The chat is not available at the moment.').waitFor();
});

test('pages of other origins than those of the config get nothing', async () => {
  const { page, millrace } = await open('straight at Millrace', { origin: 'https://chat.example.com' });
  await page.getByLabel('Message').fill('Hello');
  await page.getByLabel('Message').press('Enter');
  await page.getByRole('alert').getByText('Failed to fetch').waitFor();
  expect(millrace.journal.list()).toEqual([]);
});
