// The recorded provider streams, where they are present beside the checkout, and the ways a body may be cut. Shared by the
// conformance tests. The recordings are never copied into the project; a clone without them runs on test/fixtures alone.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Null: the stream does not say. */
export interface Expectation {
  text?: string;
  reasoning?: string;
  toolCalls?: { id: string; name: string; args: unknown }[];
  finish?: string | null;
  'usage.input'?: number | null;
  'usage.output'?: number | null;
  'usage.cached'?: number | null;
  'usage.cacheWrite'?: number | null;
  'usage.reasoning'?: number | null;
}
export interface Recording {
  id: string;
  wire: string;
  provider: string;
  features: string[];
  clientTools: string[];
  idless?: boolean;
  expect: Expectation;
  expectError?: boolean;
  body: Buffer;
}

const folder = fileURLToPath(new URL('../../../shared/recordings/', import.meta.url));
const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));

export const recordingsFolder = folder;
export const fixturesFolder = fixtures;
export const haveRecordings = existsSync(`${folder}index.json`);

if (!haveRecordings) {
  process.stderr.write(
    'SKIPPED: the recorded provider streams are not beside this checkout; only our own fixtures are tested.\n',
  );
}

function read(from: string): Recording[] {
  if (!existsSync(`${from}index.json`)) return [];
  const index = JSON.parse(readFileSync(`${from}index.json`, 'utf8')) as (Omit<Recording, 'body'> & { body: string })[];
  return index.map((entry) => ({ ...entry, body: readFileSync(from + entry.body) }));
}

/** Our own, by folder. */
export const fixtureFolders = [
  fixtures,
  ...readdirSync(fixtures, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(`${fixtures}${entry.name}/index.json`))
    .map(({ name }) => `${fixtures}${name}/`),
];

/** Every recording and fixture of a wire. Our fixtures come first and are always there. */
export function recordingsOf(wire: string): Recording[] {
  return [...fixtureFolders, folder].flatMap(read).filter((r) => r.wire === wire);
}

export type Chunking = { name: string; cut(body: Buffer): Buffer[]; text?: boolean };

function lines(body: Buffer, ending: string): Buffer {
  return Buffer.from(body.toString('utf8').replace(/\r\n|\r|\n/g, ending));
}
function every(body: Buffer, size: number): Buffer[] {
  const cuts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) cuts.push(body.subarray(at, at + size));
  return cuts;
}
/** Splits of pseudo-random size, the same at each run. */
function randomly(body: Buffer, seed: number): Buffer[] {
  const cuts: Buffer[] = [];
  let state = seed;
  for (let at = 0; at < body.length; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const size = 1 + (state % (state & 64 ? 7 : 400));
    cuts.push(body.subarray(at, at + size));
    at += size;
  }
  return cuts;
}

/** `text`: the bytes themselves are changed in ways that mean nothing in an event stream, and would break a binary one. */
export const chunkings: Chunking[] = [
  { name: 'whole', cut: (b) => [b] },
  {
    name: 'per event',
    cut: (b) =>
      b
        .toString('latin1')
        .split(/(?<=\n\n|\r\n\r\n)/)
        .map((s) => Buffer.from(s, 'latin1')),
  },
  { name: 'byte by byte', cut: (b) => every(b, 1) },
  { name: 'three bytes', cut: (b) => every(b, 3) },
  { name: 'random splits', cut: (b) => randomly(b, 7) },
  { name: 'other random splits', cut: (b) => randomly(b, 4242) },
  { name: 'CRLF', text: true, cut: (b) => [lines(b, '\r\n')] },
  { name: 'CRLF byte by byte', text: true, cut: (b) => every(lines(b, '\r\n'), 1) },
  { name: 'CR', text: true, cut: (b) => randomly(lines(b, '\r'), 99) },
  { name: 'BOM', text: true, cut: (b) => every(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), b]), 2) },
  {
    name: 'comments, ids and retries between events',
    text: true,
    cut: (b) => [
      Buffer.from(lines(b, '\n').toString('utf8').replace(/\n\n/g, '\n\n: keep-alive\n\nretry: 10\nid: x\nfoo: bar\n')),
    ],
  },
  {
    name: 'data without a space, over several lines',
    text: true,
    cut: (b) => [
      Buffer.from(
        lines(b, '\n')
          .toString('utf8')
          // Only between JSON members, where white space means nothing.
          .replace(/^data: (\{"[a-z_]+":.*)$/gm, (_all, json: string) => `data:${json.replace(/^\{/, '{\ndata:')}`),
      ),
    ],
  },
];
