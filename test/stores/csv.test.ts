// CSV of usage sums: quoting by RFC 4180, and no cell that a spreadsheet would run.
import { expect, test } from 'vitest';
import { toCsv, usageCsv } from '../../src/stores/csv.ts';

const sum = {
  requests: 2,
  errors: 0,
  input_tokens: 10,
  output_tokens: 20,
  cached_input_tokens: 0,
  cache_write_input_tokens: 0,
  reasoning_tokens: 0,
  cost_usd: 0.25,
};

test('only the groups that were asked for have a column, in one order', () => {
  expect(usageCsv([{ ...sum, key: null, day: '2026-01-01' }])).toBe(
    'day,key,requests,errors,input_tokens,output_tokens,cached_input_tokens,cache_write_input_tokens,reasoning_tokens,cost_usd\r\n' +
      '2026-01-01,,2,0,10,20,0,0,0,0.25\r\n',
  );
  expect(usageCsv([])).toMatch(/^requests,errors,.*cost_usd\r\n$/);
});

test('commas, quotes and line ends are quoted', () => {
  expect(toCsv([['a,b', 'say "x"', 'two\nlines', 'plain', null, 1.5]])).toBe(
    '"a,b","say ""x""","two\nlines",plain,,1.5\r\n',
  );
});

test('a cell that begins like a formula becomes text, a number stays one', () => {
  expect(toCsv([['=1+1', '+cmd', '-x', '@SUM(A1)', '\t=1', '=HYPERLINK("x","y")', '-5', '+1.5', 'a=b']])).toBe(
    `'=1+1,'+cmd,'-x,'@SUM(A1),'\t=1,"'=HYPERLINK(""x"",""y"")",-5,+1.5,a=b\r\n`,
  );
  expect(toCsv([[-5]])).toBe('-5\r\n');
});
