// The table of errors in the code and the one in docs/PROTOCOL.md say the same, both ways.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ERROR_TABLE, type ErrorCode, GatewayError, toGatewayError } from '../../src/core/errors.ts';

/** Rows of Markdown tables whose first cell is a code in backticks, whose second is a status and whose third yes or no. */
async function documented(): Promise<Record<string, { status: number; retryable: boolean }>> {
  const markdown = await readFile(fileURLToPath(new URL('../../docs/PROTOCOL.md', import.meta.url)), 'utf8');
  const rows = [...markdown.matchAll(/^\|\s*`(\w+)`\s*\|\s*(\d{3})\s*\|\s*(yes|no)\b[^|]*\|/gm)];
  return Object.fromEntries(
    rows.map(([, code, status, retryable]) => [code, { status: Number(status), retryable: retryable === 'yes' }]),
  );
}

test('docs/PROTOCOL.md shows every error with its status and whether to retry', async () => {
  expect(await documented()).toEqual(ERROR_TABLE);
});

test.each(Object.keys(ERROR_TABLE) as ErrorCode[])('%s is told with its status and whether to retry', (code) => {
  const body = new GatewayError(code, 'Why.').body();
  expect(body).toEqual({ code, message: 'Why.', ...ERROR_TABLE[code] });
});

test('phase and param are told where they are known', () => {
  expect(new GatewayError('upstream_timeout', 'Late.', { phase: 'idle' }).body()).toHaveProperty('phase', 'idle');
  expect(new GatewayError('invalid_request', 'No.', { param: 'n' }).body()).toHaveProperty('param', 'n');
});

test('what is thrown by accident says nothing of itself', () => {
  const error = toGatewayError(new TypeError('secret sk-123 in /home/me'));
  expect(error.body()).toMatchObject({ code: 'internal', status: 500, retryable: false });
  expect(JSON.stringify(error.body())).not.toMatch(/secret|sk-|home/);
  expect(error.cause).toBeInstanceOf(TypeError);
  expect(toGatewayError(error)).toBe(error);
});
