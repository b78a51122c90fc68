// What a stream has said, kept encoded and once, so that any number of clients can be given it again from any event on. Bounded: what
// is oldest falls out. Appending is on the hot path and only chains a string. Knows SSE ids; no client, no front door.
// https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header

import type { Said } from '../core/live.ts';

/** A place between two frames. Only the log that gave it out knows what it means. */
export interface Position {
  block: number;
  /** Characters into the block. */
  offset: number;
}

export interface FrameLog extends Said {
  /** The id of the last frame; NaN where frames have none, 0 where there is none yet. */
  readonly lastId: number;
  /** Characters in packed blocks; a measure of memory. */
  readonly packed: number;
  /** Whole frames only. */
  append(frames: string): void;
  /** Nothing more comes: what is left is packed as well. */
  close(): void;
  /** Behind the last frame. */
  end(): Position;
  /** In front of the event that follows `lastId`; 0 is the beginning. `gone`: it fell out. `ahead`: no such event has been. */
  seek(lastId: number): Position | 'gone' | 'ahead';
  /** What follows a place, a piece of it at a time: '' when nothing does. Undefined: it fell out. */
  read(from: Position): { frames: string; next: Position } | undefined;
  /** Drops the oldest block and says how many characters it had; 0 when nothing can be dropped. */
  drop(): number;
}

/** Packed bytes cost a third of the strings that they were made of, and nothing to the garbage collector. */
interface Block {
  bytes: Buffer;
  /** Characters before it, since the beginning of the stream. */
  start: number;
  length: number;
  /** The id of its first frame; NaN where frames have none. */
  firstId: number;
}

/** Characters after which the latest frames are packed: the grain in which the oldest fall out. */
const BLOCK = 16_384;

/** `limit`: characters kept. `begins`: the character with which it begins, where what came before was lost elsewhere. `onPack` is told by how much the packed blocks grew, from the hot path. */
export function createFrameLog(limit: number, onPack: (characters: number) => void = () => {}, begins = 0): FrameLog {
  const grain = Math.min(BLOCK, Math.max(1024, Math.floor(limit / 4)));
  const blocks: Block[] = [];
  let dropped = begins === 0 ? 0 : 1; // blocks that fell out: the number of the first one kept
  let before = begins; // characters before `recent`
  let packed = 0; // characters in blocks
  let recent = ''; // a rope: appending copies nothing
  let lastPacked = 0; // id

  function pack(): void {
    const { length } = recent;
    blocks.push({ bytes: Buffer.from(recent), start: before, length, firstId: firstIdOf(recent) });
    before += length;
    lastPacked = lastIdOf(recent);
    recent = '';
    packed += length;
    let grown = length;
    while (packed > limit) grown -= drop();
    onPack(grown);
  }

  function drop(): number {
    const block = blocks.shift();
    if (!block) return 0;
    dropped++;
    packed -= block.length;
    return block.length;
  }

  const textOf = (block: number) =>
    block === dropped + blocks.length ? recent : blocks[block - dropped]?.bytes.toString();

  const end = () => ({ block: dropped + blocks.length, offset: recent.length });

  const newestId = () => (recent === '' ? lastPacked : lastIdOf(recent));

  function seek(lastId: number): Position | 'gone' | 'ahead' {
    if (lastId === 0) return dropped === 0 ? { block: 0, offset: 0 } : 'gone';
    const newest = newestId();
    if (lastId === newest) return end();
    if (!(lastId < newest)) return 'ahead';
    const firsts = [...blocks.map(({ firstId }) => firstId), ...(recent === '' ? [] : [firstIdOf(recent)])];
    const at = firsts.findLastIndex((first) => first <= lastId + 1);
    if (at < 0) return 'gone';
    return { block: dropped + at, offset: frameOf(textOf(dropped + at)!, lastId + 1) };
  }

  function since(character: number): { from: number; text: string } {
    if (character >= before) return { from: character, text: recent.slice(character - before) };
    const block = blocks.findLast(({ start }) => start <= character) ?? blocks[0];
    if (!block) return { from: before, text: recent };
    const from = Math.max(character, block.start);
    return { from, text: block.bytes.toString().slice(from - block.start) };
  }

  return {
    get length() {
      return before + recent.length;
    },
    get lastId() {
      return newestId();
    },
    since,
    get packed() {
      return packed;
    },
    append(frames) {
      recent += frames;
      if (recent.length >= grain) pack();
    },
    close() {
      if (recent !== '') pack();
    },
    end,
    seek,
    read({ block, offset }) {
      const text = textOf(block);
      if (text === undefined)
        return block > dropped + blocks.length ? { frames: '', next: { block, offset } } : undefined;
      if (offset < text.length) return { frames: text.slice(offset), next: { block, offset: text.length } };
      if (block < dropped + blocks.length) return this.read({ block: block + 1, offset: 0 });
      return { frames: '', next: { block, offset } };
    },
    drop,
  };
}

/** Where the frame of an id begins. No line of data can look like an id: it begins with `data:`. */
function frameOf(text: string, id: number): number {
  const line = `id: ${id}\n`;
  return text.startsWith(line) ? 0 : text.indexOf(`\n${line}`) + 1;
}

/** NaN where frames have none. */
function lastIdOf(text: string): number {
  const at = text.lastIndexOf('\nid: ') + 1;
  return firstIdOf(at === 0 ? text : text.slice(at));
}

function firstIdOf(text: string): number {
  return Number(/^id: (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}
