// What goes out to Bedrock, as a server sees it: address, headers, signature, body; beside what the official SDK would send at the same
// moment. And where credentials come from.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type BedrockProviderConfig, createBedrockProvider } from '../../src/providers/bedrock/provider.ts';
import { createTransport } from '../../src/providers/transport.ts';
import { asked, forThisTest, listen, type Seen, send, startHttp, startServer } from '../support/upstream.ts';
import { capture } from './bedrock.sdk.ts';

const chat = { model: 'alias', messages: [{ role: 'user', content: 'Grüße' }] };
const MODEL = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG' };

function providerOf(config: Partial<BedrockProviderConfig>) {
  return forThisTest(createBedrockProvider({ name: 'up', region: 'us-east-1', ...config }, createTransport()));
}

function ask(config: Partial<BedrockProviderConfig>, model = MODEL): Promise<Seen> {
  return asked((url) => providerOf({ baseUrl: url, ...config }), chat, model);
}

/** Holds what a test puts there, and nothing else: what this machine has is no concern of these tests. */
const nowhere = mkdtempSync(join(tmpdir(), 'millrace-aws-'));

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_CONFIG_FILE', join(nowhere, 'config'));
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(nowhere, 'credentials'));
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
  rmSync(join(nowhere, 'credentials'), { force: true });
});
afterAll(() => rmSync(nowhere, { recursive: true }));

// ---- address and headers --------------------------------------------------------------------------------------------

test.each([
  MODEL,
  'anthropic.claude-3-haiku-20240307-v1:0',
  'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  "odd name!'()*+&?#%/é",
])('the model %s is in the path as the SDK writes it', async (model) => {
  const { path, method } = await capture({ credentials: KEYS }, { modelId: model, messages: [] });
  expect(await ask({ apiKey: 'k' }, model)).toMatchObject({ method, url: path });
});

test.each(['.', '..', '\ud800'])('the model %j has no address', async (model) => {
  await expect(ask({ apiKey: 'k' }, model)).rejects.toMatchObject({ code: 'model_not_found' });
});

test('without an address of its own it is the one of the region', async () => {
  const { headers } = await capture({ region: 'eu-west-3', credentials: KEYS }, { modelId: MODEL, messages: [] });
  const seen: string[] = [];
  const transport = createTransport({ proxy: await proxyThatNotes(seen) });
  const provider = createBedrockProvider({ name: 'up', region: 'eu-west-3', apiKey: 'k' }, transport);
  await expect(send(forThisTest(provider), chat, MODEL)).rejects.toMatchObject({ code: 'upstream_unavailable' });
  expect(seen).toEqual([`${headers.host}:443`]);
});

/** Says whom it was asked to connect to, and does not. */
async function proxyThatNotes(seen: string[]): Promise<string> {
  const server = createServer();
  server.on('connect', (request, socket) => {
    seen.push(request.url!);
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  return listen(server);
}

test('an API key is a bearer, and nothing is signed', async () => {
  const { headers, body } = await ask({ apiKey: 'bedrock-api-key-x', ...KEYS });
  expect(headers).toMatchObject({ authorization: 'Bearer bedrock-api-key-x', 'content-type': 'application/json' });
  expect(Object.keys(headers).filter((name) => name.startsWith('x-amz-'))).toEqual([]);
  expect(body).toEqual({ messages: [{ role: 'user', content: [{ text: 'Grüße' }] }] });
});

test('a key that cannot be in a header is refused without being said', async () => {
  const sent = ask({ apiKey: 'secret\nx' });
  await expect(sent).rejects.toMatchObject({ code: 'upstream_auth', message: expect.not.stringContaining('secret') });
});

test("the config's headers win, and its query is in the address", async () => {
  const headers = { 'X-Team': 'a', Authorization: 'Basic eA==' };
  const seen = await ask({ apiKey: 'k', headers, query: { stage: 'b c' } });
  expect(seen.headers).toMatchObject({ 'x-team': 'a', authorization: 'Basic eA==' });
  expect(seen.url).toMatch(/\/converse-stream\?stage=b\+c$/);
});

// ---- the signature --------------------------------------------------------------------------------------------------

describe.each([
  ['lasting', KEYS],
  ['temporary', { ...KEYS, sessionToken: 'FwoGZXIvYXdz' }],
])('%s credentials', (_kind, credentials) => {
  test.each([MODEL, 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0'])(
    'sign a request for %s as the SDK does',
    async (model) => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 10, 22, 12, 34, 56) });
      const { url, seen } = await startServer();
      const sdk = await capture(
        { endpoint: url, credentials },
        {
          modelId: model,
          messages: [{ role: 'user', content: [{ text: 'Grüße' }] }],
          inferenceConfig: { maxTokens: 9 },
        },
      );
      // The SDK signs headers that name itself; given the same ones, the signature must be the same.
      const itsOwn = Object.entries(sdk.headers).filter(([name]) =>
        /^(amz-sdk-|x-amz-user-agent$|content-length$)/.test(name),
      );
      const provider = providerOf({ baseUrl: url, ...credentials, headers: Object.fromEntries(itsOwn) });
      (await send(provider, { ...chat, max_tokens: 9 }, model)).abort();
      expect(seen[0]!.text).toBe(sdk.body);
      for (const name of ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token', 'host'])
        expect(seen[0]!.headers[name], name).toBe(sdk.headers[name]);
    },
  );
});

test('headers of the config are signed with the rest', async () => {
  const { headers } = await ask({ ...KEYS, headers: { 'X-Amzn-Bedrock-Trace': 'ENABLED' } });
  expect(headers['x-amzn-bedrock-trace']).toBe('ENABLED');
  expect(headers.authorization).toMatch(/SignedHeaders=[^,]*;x-amzn-bedrock-trace/);
});

// ---- credentials that are found -------------------------------------------------------------------------------------

const signer = ({ headers }: Seen) => /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1];

test('without a key, those of the environment sign', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDFOUND');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'found');
  vi.stubEnv('AWS_SESSION_TOKEN', 'token');
  const seen = await ask({});
  expect(signer(seen)).toBe('AKIDFOUND');
  expect(seen.headers['x-amz-security-token']).toBe('token');
});

test('a profile of the config files signs', async () => {
  const lines = ['[ops]', 'aws_access_key_id = AKIDOPS', 'aws_secret_access_key = ops', ''];
  writeFileSync(join(nowhere, 'credentials'), lines.join('\n'));
  expect(signer(await ask({ profile: 'ops' }))).toBe('AKIDOPS');
});

test('where none are found, it says what would do', async () => {
  await expect(ask({})).rejects.toMatchObject({
    code: 'upstream_auth',
    message: expect.stringMatching(/No AWS credentials were found.*apiKey/),
  });
  await expect(ask({ profile: 'gone' })).rejects.toMatchObject({
    code: 'upstream_auth',
    message: expect.stringContaining('profile gone'),
  });
});

/** As containers are given credentials: a service to ask. */
async function credentialService(answer?: object) {
  let count = 0;
  let reached = () => {};
  const first = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const url = await startHttp((_request, response) => {
    count++;
    reached();
    if (answer) response.end(JSON.stringify(answer));
  });
  vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${url}/credentials`);
  return { first, asked: () => count };
}

test('what was found is kept until it expires', async () => {
  const service = await credentialService({
    AccessKeyId: 'AKIDTASK',
    SecretAccessKey: 'task',
    Token: 'token',
    Expiration: new Date(Date.now() + 3_600_000).toISOString(),
  });
  const { url, seen } = await startServer();
  const provider = providerOf({ baseUrl: url });
  for (let i = 0; i < 3; i++) (await send(provider, chat, MODEL)).abort();
  expect(seen.map(signer)).toEqual(['AKIDTASK', 'AKIDTASK', 'AKIDTASK']);
  expect(service.asked()).toBe(1);
});

test('a client that leaves does not wait for credentials', async () => {
  const service = await credentialService();
  const { url, seen } = await startServer();
  const provider = providerOf({ baseUrl: url });
  const aborting = new AbortController();
  const sent = send(provider, chat, MODEL, aborting.signal);
  await service.first;
  aborting.abort(new Error('gone'));
  await expect(sent).rejects.toThrow('gone');
  expect(seen).toEqual([]);
});
