// How the doctor's report looks in a terminal: a line per check, and under what is wrong the setting to paste. Asks nothing.
import { styleText } from 'node:util';
import { FINDINGS } from './doctor.findings.ts';
import type { Finding, Report } from './doctor.ts';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red', skip: 'dim' } as const satisfies Record<
  Finding['status'],
  string
>;

export function printReport({ url, proxies, results }: Report): void {
  const front =
    proxies.length > 0 ? proxies.join(', ') : 'nothing that says its name (--proxy tells the doctor what it is)';
  console.log(`${url}\nin front: ${front}\n`);
  for (const result of results) for (const line of linesOf(result)) console.log(line);
  const count = (status: Finding['status']) => results.filter((result) => result.status === status).length;
  const [failed, warned, skipped] = [count('fail'), count('warn'), count('skip')];
  const fine = skipped === 0 ? 'Streams pass as they are sent.' : 'Nothing is wrong in what was measured.';
  console.log(failed + warned === 0 ? `\n${fine}` : `\n${failed} failed, ${warned} to look at.`);
}

function linesOf({ status, check, measured, finding, fix = {}, direct }: Finding): string[] {
  const head = `${styleText(COLOURS[status], status.padEnd(4))}  ${check.padEnd(11)}  `;
  const indent = ' '.repeat(19);
  if (finding === undefined) return [head + harmless(measured)];
  const lines = [`${head}${FINDINGS[finding].about}`, `${indent}measured: ${harmless(measured)}`];
  if (direct) lines.push(`${indent}It is so without the proxy, too: look at Millrace, not at the proxy.`);
  for (const [where, setting] of Object.entries(fix))
    lines.push(`${indent}${where === 'any' ? 'fix' : where}: ${setting}`);
  return lines;
}

/** What a server says must not drive the terminal. */
function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}
