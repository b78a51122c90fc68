// The doctor's look at silence: how long may nothing be said before somebody in between hangs up? Three kinds at once: between two tokens,
// before the first one, and while an answer is made that comes in one piece. Where the server's own waits end it first, it says so.
import { found, ok, type Result, skip } from './doctor.result.ts';
import type { Facts, Site } from './doctor.site.ts';
import { seconds } from './doctor.stream.ts';
import { hear, jsonOf, textOf } from './doctor.wire.ts';

/** Milliseconds that an answer may come late. */
const SLACK = 10_000;

/** `by`: it was cut after so many milliseconds of silence. */
interface Silence {
  line: string;
  by?: number;
}

export async function examineSilence(site: Site, idle: number, facts: Facts | undefined): Promise<Result[]> {
  if (site.mock('echo') === undefined)
    return [skip('silence', 'only the mock can be silent on demand: providers: { mock: {} }')];
  const [quiet, thinking, whole] = await Promise.all([
    quietly(site, idle),
    beforeTheFirst(site, idle),
    inOnePiece(site, idle),
  ]);
  if (quiet.refused) return [found('chat-refused', quiet.line)];
  if (quiet.by !== undefined) return [found('cut-silent', quiet.line, faster(quiet.by))];
  if (thinking.by !== undefined) return [found('cut-thinking', thinking.line, faster(thinking.by))];
  const results = [ok('silence', quiet.line)];
  const expected = facts?.heartbeat_ms ?? 20_000;
  if (quiet.beats === 0 && idle > expected * 1.5) {
    results[0] = found('no-heartbeat', `none in ${seconds(idle)}; the server sends one every ${seconds(expected)}`);
  }
  if (whole.by !== undefined) results.push(found('cut-whole', whole.line));
  return results;
}

/** Both must happen before the cut: the response begins, and beats. */
function faster(cutAfter: number): string {
  const pause = cutAfter < 4000 ? `${Math.floor(cutAfter / 2)}ms` : `${Math.floor(cutAfter / 2000)}s`;
  return `in millrace.yaml:  streams: { heartbeat: ${pause}, commitAfter: ${pause} }`;
}

/** A token, then silence; left by us once it has lasted. */
async function quietly(site: Site, idle: number): Promise<Silence & { beats: number; refused?: true }> {
  const { reply, refused } = { reply: undefined, ...(await site.chat({ model: site.mock('lorem-20+stall-1') })) };
  if (!reply) return { line: `${refused?.line}`, beats: 0, refused: true };
  const { state, beats, arrivals, overAt } = await hear(reply, idle);
  if (state === 'open') reply.leave();
  const heartbeats = beats.length === 0 ? 'no heartbeat' : `${beats.length} heartbeat${beats.length === 1 ? '' : 's'}`;
  if (state === 'cut') {
    const by = overAt - (arrivals.at(-1) ?? overAt);
    return { line: `cut after ${seconds(by)} without a byte (${heartbeats})`, by, beats: beats.length };
  }
  if (state === 'open') return { line: `${seconds(idle)} of silence, ${heartbeats}`, beats: beats.length };
  const lasted = `${seconds(overAt - arrivals[0]!)} of silence, ${heartbeats}`;
  return { line: `${lasted}; then the server's own timeouts.idle ended it`, beats: beats.length };
}

/** The first token comes after all that time. */
async function beforeTheFirst(site: Site, idle: number): Promise<Silence> {
  const began = performance.now();
  const model = site.mock(`slow-${Math.round(idle)}+lorem-2`);
  const { reply, refused } = { reply: undefined, ...(await site.chat({ model }, { timeout: idle + SLACK })) };
  if (!reply) return refusedAfter(performance.now() - began, refused);
  const { state, overAt, arrivals } = await hear(reply, idle + SLACK);
  if (state === 'ended') return { line: `${seconds(overAt - began)} before the first token` };
  const last = arrivals.at(-1) ?? began;
  const by = (state === 'cut' ? overAt : performance.now()) - last;
  return { line: `cut after ${seconds(by)} without a byte, before the first token`, by };
}

/** A token every 100 ms at the provider, and nothing on this side until the last one. */
async function inOnePiece(site: Site, idle: number): Promise<Silence> {
  const began = performance.now();
  const body = { model: site.mock(`lorem-${Math.ceil(idle / 100)}+rate-10`), stream: false };
  const { reply, refused } = { reply: undefined, ...(await site.chat(body, { timeout: idle + SLACK })) };
  if (!reply) return refusedAfter(performance.now() - began, refused);
  const whole = jsonOf(await textOf(reply));
  const took = performance.now() - began;
  return whole
    ? { line: `${seconds(took)} for an answer in one piece` }
    : { line: `cut after ${seconds(took)}`, by: took };
}

/** A refusal of Millrace's own came through, so nothing was cut. */
function refusedAfter(ms: number, refused: { code?: string; line: string } | undefined): Silence {
  if (refused?.code !== undefined) return { line: refused.line };
  return { line: `${refused?.line} after ${seconds(ms)}`, by: ms };
}
