// The client is published by itself and has the server's error codes a second time: held equal here.
import { expect, test } from 'vitest';
import { CLIENT_CODES, SERVER_CODES } from '../../src/client/errors.ts';
import { ERROR_TABLE } from '../../src/core/errors.ts';

test('the client knows every code of the server, and its own are not among them', () => {
  expect(SERVER_CODES).toEqual(Object.keys(ERROR_TABLE));
  expect(CLIENT_CODES.filter((code) => code in ERROR_TABLE)).toEqual([]);
});
