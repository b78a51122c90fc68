// Streams beyond the process that runs them: what a store between nodes takes and gives. Contracts only. A node owns the streams that it
// runs and publishes what they say; any other node can mirror one for clients of its own. Nothing here is on the path of a token.

/** What another node must know of a stream to serve it as its owner would. */
export interface Card {
  id: string;
  /** The name of the key that started it. */
  key: string | null;
  door: string;
  /** As the client asked. */
  model: string;
  /** Unix milliseconds. */
  startedAt: number;
  conversation?: string;
  /** The node that runs it. */
  node: string;
  /** Of its response. */
  headers: Record<string, string>;
  /** What its door sends in silence. */
  heartbeat: string;
}

/** What a stream has said, as its owner reads it to publish it: by characters since the beginning, of which the oldest may be gone. */
export interface Said {
  /** Characters since the beginning. */
  readonly length: number;
  /** What is kept from a character on, a piece at a time: '' when nothing follows. `from` is later than asked where that fell out. */
  since(character: number): { from: number; text: string };
}

/** What a mirror is told, in order. */
export interface MirrorSink {
  /** What was said from a character on. A gap between two pieces means that the store kept less than was said. */
  said(from: number, text: string): void;
  /** How it ended, as JSON that the owner wrote. Nothing follows. */
  ended(ending: string): void;
  /** Its node is gone: nobody goes on with it. Nothing follows. */
  lost(): void;
}

export interface Mirroring {
  /** How many clients listen here, until told otherwise: the owner goes on for them. */
  listeners(count: number): void;
  /** Asks the owner to stop the stream; the end comes to the sink. */
  stop(): void;
  close(): void;
}

export interface OwnerEvents {
  /** Clients of other nodes that listen to a stream of this one. */
  onListeners(id: string, count: number): void;
  onStop(id: string): void;
}

export interface LiveStore {
  /** This node's name among the others. */
  readonly node: string;
  /** From now on the stream can be found, and what it says is published. */
  publish(card: Omit<Card, 'node'>, said: Said): void;
  /** It has said more. Cheap: it is called for each write. */
  touch(id: string): void;
  /** All was said. The ending is kept with it for `retain` milliseconds. */
  end(id: string, ending: string, retain: number): void;
  /** Null when no node has the stream. Rejects while the store cannot be asked. */
  card(id: string): Promise<Card | null>;
  /** Reads a stream of another node into the sink: all that there is before it resolves, then what comes. */
  mirror(card: Card, sink: MirrorSink): Promise<Mirroring>;
  /** Streams that run on other nodes, oldest first; at most `limit`. */
  running(limit: number): Promise<Card[]>;
  own(events: OwnerEvents): void;
  /** A secret that all nodes have alike, made by the first. Rejects when the store cannot be asked within some seconds. */
  secret(): Promise<Buffer>;
  /** Whether the store can be reached now. */
  healthy(): boolean;
  close(): Promise<void>;
}
