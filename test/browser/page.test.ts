// The page at / in a real Chromium, over a real Millrace and its mock. Waits are for what happens on the page, not for time.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { prettyPartialJson } from '../../src/web/partial-json.ts';
import { eventually, startMillrace, type TestMillrace } from '../support/millrace.ts';

const EXECUTABLE = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
let browser: Browser;

beforeAll(async () => {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(
      `There is no Chromium at ${EXECUTABLE}. Install it (Debian: apt-get install chromium), or set CHROMIUM_PATH.`,
    );
  }
  await build({ configFile: fileURLToPath(new URL('../../vite.config.ts', import.meta.url)) }); // what is tested is what is written now
  browser = await chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

/** Runs in the page before it: notes each state that an answer shows, and how long its text was; and slow frames. */
const RECORDER = `
  window.seen = [];
  window.injected = 0;
  window.longTasks = [];
  window.frames = [];
  document.addEventListener('securitypolicyviolation', (event) => console.error('CSP ' + event.violatedDirective));
  new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: 'longtask' });
  requestAnimationFrame(function tick(now) { frames.push(now); requestAnimationFrame(tick); });
  new MutationObserver(() => {
    const answer = document.querySelector('.turn:last-child .answer');
    if (!answer) return;
    const length = answer.querySelector('.text').textContent.length;
    const call = answer.querySelector('.arguments')?.textContent ?? '';
    const now = { state: answer.dataset.state, length, call, said: document.querySelector('#status').textContent };
    if (JSON.stringify(now) !== JSON.stringify(seen.at(-1))) seen.push(now);
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
`;

interface Seen {
  state: string;
  length: number;
  call: string;
  said: string;
}

interface Opened {
  page: Page;
  millrace: TestMillrace;
  send(text: string, model?: string): Promise<void>;
  /** The newest answer. */
  answer(part?: string): ReturnType<Page['locator']>;
  ended(state: 'done' | 'error' | 'stopped'): Promise<void>;
  facts(): Promise<Record<string, string>>;
}

/** Chromium notes each answer ≥ 400 and each broken connection in the console, whatever the page does about it. */
const BROWSERS_OWN = /^Failed to load resource: (the server responded with a status of \d+|net::ERR_)/;

/** Fails the test when the page logs an error, breaks its policy, throws, or asks anyone but Millrace. */
async function open(
  yaml?: string,
  { before, ...context }: { before?: (page: Page) => Promise<unknown> } & Parameters<Browser['newContext']>[0] = {},
): Promise<Opened> {
  const millrace = await startMillrace(yaml);
  const own = await browser.newContext(context);
  const page = await own.newPage();
  page.setDefaultTimeout(30_000);
  const wrong: string[] = [];
  page.on('console', (entry) => {
    if (['error', 'warning'].includes(entry.type()) && !BROWSERS_OWN.test(entry.text())) wrong.push(entry.text());
  });
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${millrace.url}/`)) wrong.push(`asked ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(RECORDER);
  await before?.(page);
  const models = page.waitForResponse(/\/v1\/models$/);
  await page.goto(`${millrace.url}/`);
  await models;
  onTestFinished(async () => {
    await own.close();
    expect(wrong).toEqual([]);
  });

  const answer = (part = '') => page.locator(`.turn:last-child .answer ${part}`);
  return {
    page,
    millrace,
    answer,
    async send(text, model) {
      if (model) await page.getByLabel('Model', { exact: true }).fill(model);
      await page.getByLabel('Message').fill(text);
      await page.getByLabel('Message').press('Enter');
    },
    ended: (state) => page.locator(`.turn:last-child .answer[data-state=${state}]`).waitFor(),
    async facts() {
      const names = await answer('dt').allTextContents();
      const values = await answer('dd').allTextContents();
      return Object.fromEntries(names.map((name, at) => [name, values[at] ?? '']));
    },
  };
}

/** A config that lets in who comes with this key. */
const keyed = (key: string) =>
  `providers: { mock: {} }\nkeys: [{ name: page, hash: "sha256:${createHash('sha256').update(key).digest('hex')}" }]`;

const seen = (page: Page) => page.evaluate<Seen[]>('seen');

/** What Millrace was sent, oldest first. */
function bodies(page: Page): any[] {
  const sent: any[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/v1/chat')) sent.push(request.postDataJSON());
  });
  return sent;
}

/** The page gets these bytes instead of a stream. */
const answerWith =
  (body: string, headers: Record<string, string> = {}, status = 200) =>
  async (page: Page) => {
    await page.route('**/v1/chat', (route) =>
      route.fulfill({ status, body, headers: { 'content-type': 'text/event-stream', ...headers } }),
    );
  };

describe('an answer', () => {
  test('grows on the page while it is generated, then says what it took', async () => {
    const { page, send, answer, ended, facts } = await open();
    await send('Hello', 'mock/lorem-40+rate-40');
    await ended('done');

    const streamed = (await seen(page)).filter(({ state }) => state === 'streaming');
    const lengths = [...new Set(streamed.map(({ length }) => length))];
    expect(lengths.length).toBeGreaterThan(3);
    expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
    const text = await answer('.text').textContent();
    expect(text).toMatch(/^Lorem ipsum dolor sit amet, .*\w$/);
    expect(lengths[0]).toBeLessThan(text!.length / 2);

    expect(await facts()).toEqual({
      finish: 'stop',
      'tokens in': expect.stringMatching(/^\d+$/),
      'tokens out': '40',
      cost: expect.stringMatching(/^\$0\.0000\d+$/),
      'first token': expect.stringMatching(/^\d+ ms$/),
      speed: expect.stringMatching(/^\d+ tokens\/s$/),
    });
    // A screen reader hears of the end, and of nothing before it.
    expect([...new Set((await seen(page)).map(({ said }) => said))]).toEqual(['', 'Answer complete.']);
  });

  test('is visible while the provider is silent, and Stop closes the provider’s stream and says what it took', async () => {
    const { page, millrace, send, answer, ended, facts } = await open();
    await send('Hello', 'mock/stall-3');
    await answer('.text').getByText('Lorem ipsum dolor').waitFor();
    expect(await answer().getAttribute('data-state')).toBe('streaming');
    expect(await answer().getAttribute('aria-busy')).toBe('true');
    expect(await page.getByRole('button', { name: 'Send' }).isVisible()).toBe(false);

    await page.getByRole('button', { name: 'Stop' }).click();
    await millrace.journal.waitFor((record) => record.client_left_at !== null);
    await ended('stopped');
    expect(await facts()).toMatchObject({
      finish: 'stopped by you',
      'tokens out': '≈ 3',
      cost: expect.stringMatching(/^≈ \$0\.0000\d+$/),
    });
    expect(await answer('.text').textContent()).toBe('Lorem ipsum dolor');
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'cancelled', delivered_tokens: 3 });
    expect(await page.locator('#status').textContent()).toBe('Stopped.');
    expect(await page.getByLabel('Message').evaluate((node) => node.matches(':focus'))).toBe(true);
  });

  test('is stopped before its first token, and by Escape in the midst of many', async () => {
    // The stream has no id to be stopped by until its response begins.
    const { page, millrace, send, answer, ended } = await open(
      'providers: { mock: {} }\nstreams: { commitAfter: 500ms }',
    );
    await send('Hello', 'mock/stall-0');
    await millrace.journal.waitFor((record) => record.model === 'stall-0');
    await page.getByRole('button', { name: 'Stop' }).click();
    await ended('stopped');
    await millrace.journal.waitFor((record) => record.model === 'stall-0' && record.client_left_at !== null);

    await send('Hello', 'mock/lorem-100000+rate-200');
    await answer('.text').getByText('consectetur').waitFor();
    await page.keyboard.press('Escape');
    await ended('stopped');
    const left = await millrace.journal.waitFor((r) => r.model !== 'stall-0' && r.client_left_at !== null);
    expect(left.tokens_sent).toBeLessThan(100_000);
  });

  test('keeps its reasoning folded', async () => {
    const { send, answer, ended, facts } = await open();
    await send('Hello', 'mock/reasoning');
    await ended('done');
    expect(await answer('.text').textContent()).toMatch(/^Lorem ipsum/);
    expect(await answer('.reasoning .said').isVisible()).toBe(false);
    await answer('summary').click();
    expect(await answer('.reasoning .said').textContent()).toBe(
      'The user asks for something; I weigh what would help and answer',
    );
    expect(await facts()).toMatchObject({ 'tokens out': '32 (12 reasoning)' });
  });

  test('shows tool calls as their arguments come, laid out', async () => {
    const { page, send, answer, ended, facts } = await open();
    await send('Weather?', 'mock/tools-2+rate-10');
    await ended('done');
    expect(await answer('.call .name').allTextContents()).toEqual(['get_weather', 'get_weather']);
    expect(await answer('.arguments').allTextContents()).toEqual(['{\n  "city": "Paris"\n}', '{\n  "city": "Oslo"\n}']);
    expect(await facts()).toMatchObject({ finish: 'tool-calls' });
    const grown = new Set((await seen(page)).filter(({ state }) => state === 'streaming').map(({ call }) => call));
    expect(grown.size).toBeGreaterThan(2);
    for (const part of grown) expect('{\n  "city": "Paris"\n}'.startsWith(part)).toBe(true);
  });

  test('shows arguments that are no JSON as they came', async () => {
    const { send, answer, ended } = await open(undefined, {
      before: answerWith(
        'event: tool-call\ndata: {"index":0,"id":"c","name":"f","arguments_text":"{\\"a\\": <b>","invalid":true}\n\n' +
          'event: done\ndata: {"finish_reason":"tool-calls","cost_usd":null}\n\n',
      ),
    });
    await send('Hello');
    await ended('done');
    expect(await answer('.arguments').textContent()).toBe('{"a": <b>');
    expect(await answer('.call .invalid').isVisible()).toBe(true);
  });
});

describe('a failure', () => {
  test('before the stream shows code, status and message, and can be tried again', async () => {
    const { page, millrace, send, answer, ended } = await open();
    await send('Hello', 'mock/error-429');
    await ended('error');
    expect(await answer('.code').textContent()).toBe('upstream_rate_limited');
    expect(await answer('.http').textContent()).toBe('HTTP 429');
    expect(await answer('.why').textContent()).toMatch(/Rate limit reached.*The server asks to wait \d+\ss\.$/);
    expect(await page.locator('#status').textContent()).toMatch(/^The answer failed: .*Rate limit/);

    await page.getByLabel('Model', { exact: true }).fill('mock/echo');
    await page.getByRole('button', { name: 'Retry' }).click();
    await ended('done');
    expect(await answer('.text').textContent()).toBe('Hello');
    expect(await answer('.fault').isVisible()).toBe(false);
    expect(await page.locator('.turn').count()).toBe(1);
    expect(millrace.journal.list().at(-1)?.body).toMatchObject({ messages: [{ role: 'user', content: 'Hello' }] });
  });

  test('in the stream keeps what had come, with what it cost', async () => {
    const { send, answer, ended, facts } = await open();
    await send('Hello', 'mock/cut-3');
    await ended('error');
    expect(await answer('.text').textContent()).toBe('Lorem ipsum dolor');
    expect(await answer('.code').textContent()).toBe('upstream_truncated');
    expect(await facts()).toMatchObject({ 'tokens out': '≈ 3' });
  });

  test('is said of a stream that just ends', async () => {
    const { send, answer, ended } = await open(undefined, {
      before: answerWith('event: token\ndata: {"text":"Half an"}\n\nevent: done\ndata: {"finish_reason":"stop"}\n'),
    });
    await send('Hello');
    await ended('error');
    expect(await answer('.text').textContent()).toBe('Half an');
    expect(await answer('.code').textContent()).toBe('connection_lost');
    expect(await answer('.retry').isVisible()).toBe(true);
  });

  test('is said of an event that cannot be read, a foreign error page and a server that is gone', async () => {
    const { page, send, answer, ended } = await open();
    await answerWith('event: token\ndata: {"text":\n\n')(page);
    await send('Hello');
    await ended('error');
    expect(await answer('.code').textContent()).toBe('invalid_response');

    await page.unrouteAll();
    await answerWith('<h1>Bad gateway</h1>', { 'content-type': 'text/html' }, 502)(page);
    await send('Hello');
    await ended('error');
    expect(await answer('.code').textContent()).toBe('invalid_response');
    expect(await answer('.http').textContent()).toBe('HTTP 502');

    await page.unrouteAll();
    await page.route('**/v1/chat', (route) => route.abort('connectionrefused'));
    await send('Hello');
    await ended('error');
    expect(await answer('.code').textContent()).toBe('connection_failed');
    expect(await page.getByRole('button', { name: 'Retry' }).count()).toBe(1); // of the newest only
  });

  test('is said of a Millrace that goes away mid-answer', async () => {
    const { page, millrace, send, answer, ended } = await open();
    await send('Hello', 'mock/stall-3');
    await answer('.text').getByText('Lorem ipsum dolor').waitFor();
    const closing = millrace.close(0);
    await ended('error');
    expect(await answer('.code').textContent()).toBe('shutting_down');
    await page.context().close();
    await closing;
  });
});

describe('a conversation', () => {
  test('sends its earlier turns along, and begins anew', async () => {
    const { page, send, answer, ended } = await open();
    const sent = bodies(page);
    await send('First', 'mock/echo');
    await ended('done');
    await send('Second\nline');
    await page.locator('.turn:nth-child(2) .answer[data-state=done]').waitFor();
    expect(await answer('.text').textContent()).toBe('Second\nline');
    expect(sent).toEqual([
      { model: 'mock/echo', messages: [{ role: 'user', content: 'First' }], on_disconnect: 'detach', stream: true },
      {
        model: 'mock/echo',
        messages: [
          { role: 'user', content: 'First' },
          { role: 'assistant', content: 'First' },
          { role: 'user', content: 'Second\nline' },
        ],
        on_disconnect: 'detach',
        stream: true,
      },
    ]);

    await page.getByRole('button', { name: 'New conversation' }).click();
    expect(await page.locator('.turn').count()).toBe(0);
    await send('Third');
    await ended('done');
    expect(sent[2].messages).toEqual([{ role: 'user', content: 'Third' }]);
  });

  test('begun anew ends the answer under way', async () => {
    const { page, millrace, send, answer } = await open();
    await send('Hello', 'mock/stall-3');
    await answer('.text').getByText('Lorem').waitFor();
    await page.getByRole('button', { name: 'New conversation' }).click();
    await millrace.journal.waitFor((record) => record.client_left_at !== null);
    expect(await page.getByRole('button', { name: 'Send' }).isVisible()).toBe(true);
    expect(await page.getByRole('button', { name: 'New conversation' }).isDisabled()).toBe(true);
  });

  test('is written by keyboard alone: Enter sends, Shift+Enter does not, nothing is sent empty', async () => {
    const { page, answer, ended } = await open();
    const sent = bodies(page);
    expect(await page.getByLabel('Message').evaluate((node) => node.matches(':focus'))).toBe(true);
    await page.keyboard.press('Enter');
    await page.keyboard.type('one');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('two');
    await page.keyboard.press('Tab');
    await page.keyboard.type('mock/echo');
    await page.keyboard.press('Tab');
    expect(await page.getByRole('button', { name: 'Send' }).evaluate((node) => node.matches(':focus'))).toBe(true);
    await page.keyboard.press('Space');
    await ended('done');
    expect(sent).toMatchObject([{ model: 'mock/echo', messages: [{ role: 'user', content: 'one\ntwo' }] }]);
    expect(await answer('.text').textContent()).toBe('one\ntwo');
  });

  test('offers the models there are, an alias first', async () => {
    const plain = await open();
    expect(await plain.page.getByLabel('Model', { exact: true }).inputValue()).toBe('mock/lorem-200+rate-30');
    const { page, send, ended } = await open('providers: { mock: {} }\nmodels: { fast: mock/echo }');
    expect(await page.getByLabel('Model', { exact: true }).inputValue()).toBe('fast');
    expect(await page.locator('#models option').first().getAttribute('value')).toBe('fast');
    await page.getByRole('button', { name: 'mock/tools' }).click();
    expect(await page.getByLabel('Model', { exact: true }).inputValue()).toBe('mock/tools');
    await send('Hello');
    await ended('done');
    await page.reload();
    await page.locator('#models option').first().waitFor({ state: 'attached' });
    expect(await page.getByLabel('Model', { exact: true }).inputValue()).toBe('mock/tools'); // as last time
  });

  test('is copied as a curl command that a shell reads back exactly, without the key', async () => {
    const { page, millrace, send, ended } = await open(keyed('key'), {
      permissions: ['clipboard-read', 'clipboard-write'],
      before: (page) => page.addInitScript("localStorage.setItem('millrace.key', 'key')"),
    });
    const hostile = `it's "quoted" $HOME \`id\` \\ \n é 🙂 !x`;
    await send(hostile, 'mock/echo');
    await ended('done');
    await page.getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate<string>('navigator.clipboard.readText()');
    const script = `curl() { printf '%s\\0' "$@"; }\n${copied}`;
    const { stdout } = await promisify(execFile)('sh', ['-c', script], { env: { MILLRACE_KEY: 'from-the-shell' } });
    const [noBuffer, url, , type, , authorization, , body] = stdout.split('\0');
    expect([noBuffer, url, type]).toEqual(['-N', `${millrace.url}/v1/chat`, 'content-type: application/json']);
    expect(authorization).toBe('authorization: Bearer from-the-shell');
    expect(JSON.parse(body!)).toEqual({ model: 'mock/echo', messages: [{ role: 'user', content: hostile }] });
  });

  test('stays where the reader scrolled to, and follows again from the bottom', async () => {
    const { page, send, answer, ended } = await open(undefined, { viewport: { width: 390, height: 500 } });
    const measure = () =>
      page.evaluate<{ at: number; height: number; gap: number }>(
        '({ at: scrollY, height: root.scrollHeight, gap: root.scrollHeight - innerHeight - scrollY })'.replaceAll(
          'root',
          'document.documentElement',
        ),
      );
    await send('Hello', 'mock/lorem-400+rate-400');
    await ended('done');
    expect((await measure()).gap).toBeLessThan(2);

    await send('Hello', 'mock/lorem-100000+rate-300');
    await answer('.text').getByText('consectetur').waitFor();
    await page.mouse.move(200, 200);
    await page.mouse.wheel(0, -600);
    const away = await eventually(measure, ({ gap }) => gap > 300);
    const later = await eventually(measure, ({ height }) => height > away.height + 200);
    expect(later.at).toBeLessThanOrEqual(away.at);

    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    await eventually(measure, ({ height, gap }) => height > later.height + 200 && gap < 60);
    await page.keyboard.press('Escape');
    await ended('stopped');
  });
});

/** What is shown of the newest answer, when it has ended. */
async function shown({ answer, facts }: Pick<Opened, 'answer' | 'facts'>) {
  return {
    state: await answer().getAttribute('data-state'),
    text: await answer('.text').textContent(),
    reasoning: await answer('.reasoning .said').textContent(),
    calls: await answer('.arguments').allTextContents(),
    facts: await facts(),
  };
}

/** A second tab of the same browser at the same address. */
async function secondTab({ page }: Opened): Promise<Pick<Opened, 'page' | 'answer' | 'facts' | 'ended'>> {
  const other = await page.context().newPage();
  await other.goto(page.url());
  const answer = (part = '') => other.locator(`.turn:last-child .answer ${part}`);
  return {
    page: other,
    answer,
    async facts() {
      const [names, values] = [await answer('dt').allTextContents(), await answer('dd').allTextContents()];
      return Object.fromEntries(names.map((name, at) => [name, values[at] ?? '']));
    },
    ended: (state) => other.locator(`.turn:last-child .answer[data-state=${state}]`).waitFor(),
  };
}

describe('a reload', () => {
  test.each([
    ['text', 'mock/lorem-60+rate-30', '.text', /amet/],
    ['reasoning', 'mock/reasoning+rate-20', '.reasoning .said', /asks/],
    ['a tool call', 'mock/tools-2+rate-8', '.arguments', /city/],
  ])('in the middle of %s loses nothing, and the answer goes on', async (_about, name, part, word) => {
    const opened = await open();
    const { page, millrace, send, answer, ended } = opened;
    await send('Hello', name);
    await answer(part).filter({ hasText: word }).first().waitFor({ state: 'attached' });
    for (let again = 0; again < 2; again++) {
      await page.reload();
      await answer(part).filter({ hasText: word }).first().waitFor({ state: 'attached' });
      expect(await page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(true);
    }
    await ended('done');
    const first = await shown(opened);
    expect(await page.locator('#status').textContent()).toMatch(/^Answer complete/);

    await send('Hello', name.replace(/\+.*/, '')); // the same, undisturbed
    await page.locator('.turn:nth-child(2) .answer[data-state=done]').waitFor();
    const { facts, ...second } = await shown(opened);
    expect(first).toMatchObject({ ...second, facts: { 'tokens out': facts['tokens out'] } });
    expect(await page.locator('.turn').count()).toBe(2);
    expect(millrace.journal.list().map((record) => record.client_left_at)).toEqual([null, null]);
    expect(await millrace.rows()).toHaveLength(2);
  });

  test('before the first token asks nobody twice', async () => {
    const { page, millrace, send, answer, ended } = await open();
    await send('Hello', 'mock/lorem-5+slow-1500');
    await millrace.journal.waitFor((record) => record.model === 'lorem-5+slow-1500');
    await page.reload();
    await ended('done');
    expect(await answer('.text').textContent()).toBe('Lorem ipsum dolor sit amet,');
    expect(await millrace.rows()).toMatchObject([{ end_reason: 'stop' }]);
  });

  test('leaves Stop at work', async () => {
    const { page, millrace, send, answer, ended, facts } = await open();
    await send('Hello', 'mock/stall-3');
    await answer('.text').getByText('Lorem ipsum dolor').waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Stop' }).click();
    await ended('stopped');
    expect(await facts()).toMatchObject({ finish: 'stopped by you', 'tokens out': '≈ 3' });
    await millrace.journal.waitFor((record) => record.client_left_at !== null);
    expect(await millrace.rows()).toMatchObject([{ end_reason: 'cancelled' }]);
  });

  test('behind the end shows the whole conversation and asks for nothing; one that ended meanwhile is fetched', async () => {
    const opened = await open();
    const { page, millrace, send, answer, ended } = opened;
    await send('First', 'mock/reasoning');
    await ended('done');
    await send('Weather?', 'mock/tools-2');
    await page.locator('.turn:nth-child(2) .answer[data-state=done]').waitFor();
    const before = await shown(opened);
    const asked: string[] = [];
    page.on('request', ({ url, method }) => asked.push(`${method} ${url}`));
    await page.reload();
    expect(await shown(opened)).toEqual(before);
    expect(await page.locator('.turn').count()).toBe(2);
    expect(asked.filter((line) => /chat|streams/.test(line))).toEqual([]);

    await send('Third', 'mock/lorem-30+rate-40');
    await answer('.text').getByText('ipsum').waitFor();
    const address = page.url();
    await page.goto(`${millrace.url}/icon`); // away
    await millrace.rows();
    await page.goto(address);
    await ended('done');
    expect((await answer('.text').textContent())!.split(' ')).toHaveLength(30);
  });

  test('that comes too late shows what there was, and the question can be asked again', async () => {
    const { page, millrace, send, answer, ended } = await open('providers: { mock: {} }\nstreams: { retain: 0s }');
    await send('Hello', 'mock/lorem-30+rate-40');
    await answer('.text').getByText('amet').waitFor();
    const address = page.url();
    await page.goto(`${millrace.url}/icon`);
    await millrace.rows();
    await page.goto(address);
    await ended('error');
    expect(await answer('.text').textContent()).toMatch(/^Lorem ipsum dolor sit amet,/);
    expect(await answer('.code').textContent()).toBe('stream_gone');
    expect(await answer('.why').textContent()).toBe(
      'The rest of this answer is no longer kept. It can be asked again.',
    );
    await page.reload();
    await ended('error');
    await page.getByRole('button', { name: 'Retry' }).click();
    await ended('done');
    expect((await answer('.text').textContent())!.split(' ')).toHaveLength(30);
    expect(await page.locator('.turn').count()).toBe(1);
  });

  test('keeps no secret: the access key stays where it was, a stream’s token is nowhere', async () => {
    const { page, send, answer, ended } = await open(keyed('s3cret-key'), {
      before: (page) => page.addInitScript("localStorage.setItem('millrace.key', 's3cret-key')"),
    });
    await send('Hello', 'mock/lorem-40+rate-40');
    await answer('.text').getByText('amet').waitFor();
    await page.reload();
    const kept = await page.evaluate<[string, string][]>('Object.entries({ ...localStorage, ...sessionStorage })');
    expect(kept.filter(([, value]) => value.includes('s3cret-key'))).toEqual([['millrace.key', 's3cret-key']]);
    expect(kept.map(([name]) => name.replace(/[0-9a-f]{24}/, 'ID')).toSorted()).toEqual([
      'millrace.conversations',
      'millrace.key',
      'millrace.model',
      'millrace.turn.ID.0',
    ]);
    expect(JSON.stringify(kept)).not.toContain('token=');
    await ended('done');
  });

  test('finds a conversation by its address, and so does the way back', async () => {
    const { page, send, answer, ended } = await open();
    await send('First', 'mock/echo');
    await ended('done');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await send('Second');
    await ended('done');
    await page.goBack();
    await answer('.text').getByText('First').waitFor();
    await send('Third');
    await page.locator('.turn:nth-child(2) .answer[data-state=done]').waitFor();
    expect(await page.locator('.asked .said').allTextContents()).toEqual(['First', 'Third']);
  });

  test('keeps the newest conversations, within bounds', async () => {
    const { page, send, ended } = await open();
    for (let n = 0; n < 22; n++) {
      await send(`Question ${n}`, 'mock/echo');
      await ended('done');
      await page.getByRole('button', { name: 'New conversation' }).click();
    }
    const turns = await page.evaluate<string[]>(
      "Object.keys(localStorage).filter((name) => name.startsWith('millrace.turn.')).map((name) => JSON.parse(localStorage[name]).question)",
    );
    expect(turns.toSorted()).toEqual(Array.from({ length: 20 }, (_, n) => `Question ${n + 2}`).toSorted());
  });

  test('where nothing can be kept begins anew, and the page works', async () => {
    const { page, send, answer, ended } = await open(undefined, {
      before: (page) =>
        page.addInitScript(
          "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })",
        ),
    });
    await send('Hello', 'mock/echo');
    await ended('done');
    expect(await answer('.text').textContent()).toBe('Hello');
    await page.reload();
    expect(await page.locator('.turn').count()).toBe(0);
  });
});

describe('two tabs', () => {
  test('show one stream, whichever asks and whenever the other came', async () => {
    const opened = await open();
    const { page, millrace, send, answer, ended } = opened;
    await send('Hello', 'mock/lorem-60+rate-30');
    await answer('.text').getByText('ipsum').waitFor();
    const other = await secondTab(opened);
    await other.answer('.text').getByText('amet').waitFor();
    expect(await other.answer().getAttribute('data-state')).toBe('streaming');
    await Promise.all([ended('done'), other.ended('done')]);
    expect(await shown(other)).toEqual(await shown(opened));
    expect(await millrace.rows()).toHaveLength(1);

    await other.page.getByLabel('Message').fill('And then?');
    await other.page.getByLabel('Message').press('Enter');
    await page.locator('.turn:nth-child(2) .answer[data-state=streaming]').waitFor();
    expect(await page.locator('.asked .said').allTextContents()).toEqual(['Hello', 'And then?']);
    await Promise.all([ended('done'), other.ended('done')]);
    expect(await shown(opened)).toEqual(await shown(other));
    expect(await millrace.rows()).toHaveLength(2);
    expect(millrace.journal.list()).toHaveLength(2);
  });

  test('are stopped by either, also before the first token', async () => {
    const opened = await open('providers: { mock: {} }\nstreams: { commitAfter: 500ms }');
    const { page, millrace, send, answer, ended } = opened;
    const other = await secondTab(opened);
    await send('Hello', 'mock/stall-3');
    await answer('.text').getByText('Lorem ipsum dolor').waitFor();
    await other.page.goto(page.url());
    await other.page.getByRole('button', { name: 'Stop' }).click();
    await Promise.all([ended('stopped'), other.ended('stopped')]);
    for (const tab of [opened, other]) {
      expect(await shown(tab)).toMatchObject({
        text: 'Lorem ipsum dolor',
        facts: { finish: 'stopped by you', 'tokens out': '≈ 3' },
      });
    }

    await send('Hello', 'mock/stall-0');
    await other.page.locator('.turn:nth-child(2) .answer[data-state=waiting]').waitFor();
    await other.page.getByRole('button', { name: 'Stop' }).click();
    await Promise.all([ended('stopped'), other.ended('stopped')]);
    await millrace.journal.waitFor((record) => record.model === 'stall-0' && record.client_left_at !== null);
    expect(await millrace.rows()).toMatchObject([{ end_reason: 'cancelled' }, { end_reason: 'cancelled' }]);
  });

  test('ask once, also when the one that asked is closed before the first token', async () => {
    const opened = await open();
    const { page, millrace, send } = opened;
    const other = await secondTab(opened);
    await send('Hello', 'mock/lorem-5+slow-7000');
    await other.page.goto(page.url());
    await other.answer().waitFor();
    await page.close();
    await other.ended('done');
    expect(await other.answer('.text').textContent()).toBe('Lorem ipsum dolor sit amet,');
    expect(await millrace.rows()).toMatchObject([{ end_reason: 'stop' }]);
  });

  test('go on with what the other no longer reads', async () => {
    const opened = await open();
    const { page, millrace, send, answer } = opened;
    await send('Hello', 'mock/lorem-80+rate-30');
    await answer('.text').getByText('ipsum').waitFor();
    const other = await secondTab(opened);
    await other.answer('.text').getByText('amet').waitFor();
    await page.close();
    await other.ended('done');
    expect((await other.answer('.text').textContent())!.split(' ')).toHaveLength(80);
    expect(millrace.journal.list()).toMatchObject([{ client_left_at: null }]);
  });
});

describe('the access key', () => {
  test('is asked for when it is needed, kept, and forgotten', async () => {
    const { page, send, answer, ended } = await open(`models: { fast: mock/echo }\n${keyed('right')}`);
    const field = page.getByLabel('Access key', { exact: true });
    await field.waitFor();

    await field.fill('wrong');
    await page.getByRole('button', { name: 'Use key' }).click();
    await page.getByText('This key was not accepted.').waitFor();
    await send('Hello', 'mock/echo');
    await ended('error');
    expect(await answer('.code').textContent()).toBe('unauthorized');

    await field.fill('right');
    await field.press('Enter'); // the refused question is asked again
    await ended('done');
    expect(await answer('.text').textContent()).toBe('Hello');
    expect(await field.isVisible()).toBe(false);
    expect(await page.locator('#models option').first().getAttribute('value')).toBe('fast');

    await page.reload();
    await send('Again', 'mock/echo');
    await ended('done');
    expect(await field.isVisible()).toBe(false);

    await page.getByRole('button', { name: 'Forget access key' }).click();
    expect(await page.evaluate("localStorage.getItem('millrace.key')")).toBe(null);
    await send('Once more');
    await ended('error');
    await field.waitFor();
  });
});

describe('safety', () => {
  const HOSTILE = `<img src=x onerror="window.injected++"><script>window.injected++</script>\u2028</p>&lt;\u202e`;

  test('what is said is text, whatever it looks like', async () => {
    const { page, send, answer, ended } = await open();
    await send(HOSTILE, 'mock/echo');
    await ended('done');
    expect(await answer('.text').textContent()).toBe(HOSTILE);
    expect(await page.locator('.turn .asked .said').textContent()).toBe(HOSTILE);
    await send('Hello', `mock/${HOSTILE}`);
    await ended('error');
    expect(await answer('.why').textContent()).toContain('<img src=x');
    expect(await page.locator('.turn img, .turn script').count()).toBe(0);
    expect(await page.evaluate('injected')).toBe(0);
  });

  test('tool calls, errors and unknown events of a hostile server are text, too', async () => {
    const json = JSON.stringify(HOSTILE);
    const { page, send, answer, ended } = await open(undefined, {
      before: answerWith(
        [
          `event: __proto__\ndata: {"text":"no"}\n\n: comment\nevent: constructor\ndata: nonsense\n\n`,
          `event: tool-call-delta\ndata: {"index":0,"name":${json},"arguments":${json}}\n\n`,
          `event: reasoning\ndata: {"text":${json}}\n\n`,
          `event: error\ndata: {"code":${json},"message":${json},"usage":{"output_tokens":${json}},"cost_usd":1}\n\n`,
        ].join(''),
      ),
    });
    await send('Hello');
    await ended('error');
    expect(await answer('.code').textContent()).toBe(HOSTILE);
    expect(await page.locator('.turn img, .turn script').count()).toBe(0);
    expect(await page.evaluate('injected')).toBe(0);
  });

  test('the page works under default-src ’self’ alone, and asks for nothing but its own files', async () => {
    const { page, send, ended } = await open(undefined, {
      before: (page) =>
        page.route(/:\d+\/$/, async (route) => {
          const response = await route.fetch();
          await route.fulfill({
            response,
            headers: { ...response.headers(), 'content-security-policy': "default-src 'self'" },
          });
        }),
    });
    await send('Hello', 'mock/tools');
    await ended('done');
    const files = await page.evaluate<string[]>(
      "performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)",
    );
    const kinds = new Set(files.map((file) => file.replace(/^\/assets\/.*\./, '/assets/*.')));
    expect(kinds).toEqual(new Set(['/assets/*.css', '/assets/*.js', '/assets/*.svg', '/v1/models', '/v1/chat']));
  });
});

test('half a JSON text is laid out as the whole will be', () => {
  const value = { a: [], b: {}, c: [1, { d: 'x{["\\' }], e: null, f: -1.5e3, g: [[]], 'h:,': true };
  const text = JSON.stringify(value);
  const parts = Array.from(text, (_, at) => prettyPartialJson(text.slice(0, at + 1)));
  const whole = JSON.stringify(value, null, 2);
  expect(parts.at(-1)).toBe(whole);
  for (const part of parts) expect(whole.startsWith(part.trimEnd())).toBe(true);
});

test('a thousand tokens a second leave the page at ease', async () => {
  const { page, send, answer, ended, facts } = await open();
  await page.evaluate('frames.length = longTasks.length = 0');
  await send('Hello', 'mock/lorem-3000+rate-1000');
  await ended('done');
  const { gaps, longTasks } = await page.evaluate<{ gaps: number[]; longTasks: number[] }>(
    '({ gaps: frames.slice(1).map((at, i) => at - frames[i]), longTasks })',
  );
  const paints = new Set((await seen(page)).filter((s) => s.state === 'streaming').map((s) => s.length)).size;
  const slow = gaps.filter((gap) => gap > 50);
  const text = (await answer('.text').textContent())!;
  expect(text.length).toBeGreaterThan(15_000);
  expect(await facts()).toMatchObject({ 'tokens out': '3,000' });
  expect(paints).toBeLessThanOrEqual(gaps.length + 2); // once per frame, not once per token
  console.log(
    `3,000 tokens: ${(await facts()).speed}, ${gaps.length} frames, ${paints} paints of text, ` +
      `${slow.length} frames over 50 ms (longest ${Math.max(...gaps).toFixed(0)} ms), ` +
      `${longTasks.length} long tasks (${longTasks.map((ms) => ms.toFixed(0)).join(', ') || 'none'})`,
  );
});

test('every text has enough contrast, and every control a name, in light and in dark', async () => {
  const css = await readFile(new URL('../../src/web/style.css', import.meta.url), 'utf8');
  const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, block]) =>
    Object.fromEntries([...block!.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value!])),
  ) as [Record<string, string>, Record<string, string>];
  for (const colors of [light, dark]) {
    const ratio = (a: string, b: string) => contrast(colors[a]!, colors[b]!);
    for (const ground of ['ground', 'surface', 'alarm-ground']) {
      expect(ratio('ink', ground)).toBeGreaterThan(7);
      expect(ratio('soft', ground)).toBeGreaterThan(4.5);
      expect(ratio('alarm', ground)).toBeGreaterThan(4.5);
      expect(ratio('water', ground)).toBeGreaterThan(4.5);
    }
    expect(ratio('on-water', 'water')).toBeGreaterThan(4.5);
    expect(ratio('edge', 'surface')).toBeGreaterThan(3);
  }
  const { page } = await open();
  const nameless = await page.evaluate<string[]>(`
    [...document.querySelectorAll('button, input, textarea')]
      .filter((node) => !(node.labels?.length || node.textContent.trim() || node.ariaLabel)).map((node) => node.outerHTML)`);
  expect(nameless).toEqual([]);
});

function contrast(a: string, b: string): number {
  const luminance = (color: string) => {
    const [r, g, blue] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * blue;
  };
  const [bright, dim] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (bright + 0.05) / (dim + 0.05);
}
