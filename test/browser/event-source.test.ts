// The EventSource example in Chromium, on an origin of its own: whatever happens to the page or its network, every event comes once.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startMillrace, type TestMillrace } from '../support/millrace.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/event-source/index.html', import.meta.url));
let browser: Browser;

beforeAll(async () => {
  const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
afterAll(() => browser?.close());

/** Before the page's own script: notes the ids that its EventSources hear. */
const RECORDER = `
  window.ids = [];
  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (type, listener) {
    listen.call(this, type, (event) => { if (event.data) ids.push(Number(event.lastEventId)); listener(event); });
  };
`;

async function open(): Promise<{
  page: Page;
  millrace: TestMillrace;
  ask(model: string): Promise<void>;
  text(id: string): Promise<string>;
}> {
  const html = await readFile(EXAMPLE);
  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(html));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const millrace = await startMillrace(
    `{ server: { cors: ["${origin}"] }, providers: { mock: {}, mock-anthropic: {}, mock-gemini: {} } }`,
  );
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.addInitScript(RECORDER);
  await page.goto(`${origin}/?millrace=${millrace.url}`);
  return {
    page,
    millrace,
    async ask(model) {
      await page.fill('[name=question]', 'Hello there');
      await page.fill('[name=model]', model);
      await page.click('text=Ask');
    },
    text: async (id) => (await page.textContent(`#${id}`)) ?? '',
  };
}

const contiguous = (ids: number[]) => ids.every((id, at) => at === 0 || id === ids[at - 1]! + 1);

describe.each(['mock', 'mock-anthropic', 'mock-gemini'])('%s', (provider) => {
  test('text, thoughts and tool calls', async () => {
    const { page, ask, text, millrace } = await open();
    await ask(`${provider}/reasoning-3+lorem-20`);
    await page.waitForSelector('#facts:has-text("stop")');
    expect((await text('answer')).split(' ')).toHaveLength(20);
    expect(await text('thoughts')).not.toBe('');
    await ask(`${provider}/tools`);
    await page.waitForSelector('#facts:has-text("tool-calls")');
    expect(await text('calls')).toMatch(/^\w+\(\{.*\}\)\n/);
    expect(await millrace.rows()).toHaveLength(2);
  });

  test('stop, and what it took until then', async () => {
    const { page, ask, text, millrace } = await open();
    await ask(`${provider}/lorem-1000+rate-100`);
    await page.waitForFunction('document.querySelector("#answer").textContent.split(" ").length > 5');
    await page.click('#stop');
    await page.waitForSelector('#facts:has-text("cancelled")');
    expect(await text('facts')).toMatch(/^cancelled, \d+ tokens in, \d+ out, \$0\.\d+$/);
    expect((await millrace.rows())[0]).toMatchObject({ end_reason: 'cancelled' });
  });

  test('an error before the answer, and one within', async () => {
    const { page, ask, text } = await open();
    await ask(`${provider}/error-429`);
    await page.waitForSelector('#failure:has-text("upstream_rate_limited")');
    await ask(`${provider}/lorem-20+error-after-5`);
    await page.waitForSelector('#failure:has-text("upstream_")');
    expect((await text('answer')).split(' ')).toHaveLength(5);
  });
});

test('a reload in the middle of an answer, and one behind its end, show all of it', async () => {
  const { page, ask, text, millrace } = await open();
  await ask('mock/lorem-60+rate-60');
  await page.waitForFunction('ids.length > 8');
  await page.reload();
  await page.waitForSelector('#facts:has-text("stop")');
  const whole = await text('answer');
  expect(whole.split(' ')).toHaveLength(60);
  expect(contiguous(await page.evaluate('ids'))).toBe(true);
  await page.reload();
  await page.waitForSelector('#facts:has-text("stop")');
  expect(await text('answer')).toBe(whole);
  expect(await millrace.rows()).toHaveLength(1);
});

test('a second tab shows the same answer', async () => {
  const { page, ask, text } = await open();
  await ask('mock/lorem-60+rate-60');
  await page.waitForFunction('ids.length > 3');
  const stream = await page.evaluate('sessionStorage.stream');
  const other = await page.context().newPage();
  await other.addInitScript(`sessionStorage.stream ??= ${JSON.stringify(stream)}`);
  await other.goto(page.url());
  await Promise.all([page, other].map((each) => each.waitForSelector('#facts:has-text("stop")')));
  expect(await other.textContent('#answer')).toBe(await text('answer'));
});

/** Between the page and Millrace; it can be cut like a cable. */
async function cable(to: string): Promise<{ url: string; cut(): void }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    const onward = connect(Number(new URL(to).port), '127.0.0.1');
    for (const [end, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(end);
      end.pipe(other);
      end
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(end);
          other.destroy();
        });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    server.close();
    cut();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut };
}

test('a connection that breaks is taken up again by the browser alone, and no event comes twice', async () => {
  const { page, ask, text, millrace } = await open();
  const { url, cut } = await cable(millrace.url);
  await page.goto(page.url().replace(millrace.url, url));
  await ask('mock/lorem-150+rate-40');
  for (const read of [5, 30]) {
    await page.waitForFunction(`ids.length > ${read}`);
    cut();
  }
  await page.waitForSelector('#facts:has-text("stop")');
  expect((await text('answer')).split(' ')).toHaveLength(150);
  expect(contiguous((await page.evaluate('ids')) as number[])).toBe(true);
  expect(await millrace.rows()).toHaveLength(1);
});
