// What a stream says: events become frames of its front door, which gather in a string until the pump flushes them, once per upstream
// chunk. Knows the front door only as an encoder or a collector, and who hears it only as an audience.
import type { Collector, Encoder, StreamMeta } from '../core/contracts.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ContentEvent, Ending } from '../core/events.ts';
import { HEARTBEAT, withoutLineSeparators } from '../core/sse.ts';
import {
  type Answer,
  type Audience,
  type AudienceListeners,
  createBroadcast,
  createWaiting,
  type Flushed,
} from './audience.ts';
import type { FollowerLimits } from './follower.ts';

export interface Session {
  readonly id: string;
  /** The wire whose raw frames this client's front door hands on. */
  readonly wire: string | undefined;
  /** Answered at once at the end; nothing is delivered before. */
  readonly whole: boolean;
  /** What the client is told when the stream begins; the provider is set for each attempt. */
  readonly meta: StreamMeta;
  readonly audience: Audience;
  begin(): void;
  /** Begins now, with nothing to say yet, so that no proxy takes the silence for death. */
  commit(): void;
  event(event: ContentEvent): void;
  raw(data: string, hasUsage: boolean): void;
  /** Hands over what has gathered. */
  flush(): Flushed;
  /** The provider need not be held back any longer. */
  onDrain(listener: () => void): void;
  end(ending: Ending): void;
}

export interface SessionOptions {
  meta: StreamMeta;
  wire: string | undefined;
  limits: FollowerLimits;
  /** Said of an error that ends the request before anything was committed. */
  fault(error: GatewayError, ending: Ending): unknown;
  /** Runs on without its clients. */
  independent: boolean;
  /** Somebody came, or left; `why`: was dropped. */
  onChange: AudienceListeners['onChange'];
  /** What is kept of the stream has grown by so many characters. */
  onPack(characters: number): void;
  /** The response begins, with these headers. Not told of one that answers whole. */
  onBegin?(headers: Record<string, string>, heartbeat: string): void;
  /** Something was delivered. On the hot path. */
  onSaid?(): void;
}

/** What a header takes, and no more of it than a proxy lets through. A field's name is the client's own, so it may be anything. */
const MAX_DROPPED = 1000;

function headersOf({ streamId, dropped }: StreamMeta): Record<string, string> {
  const names = dropped.map((name) => name.replace(/[^\w.[\]-]/g, '?')).join(', ');
  return { 'millrace-stream-id': streamId, ...(names && { 'millrace-dropped': names.slice(0, MAX_DROPPED) }) };
}

function refusal({ fault }: SessionOptions, error: GatewayError, ending: Ending): Answer {
  const headers: Record<string, string> = {};
  if (error.retryAfter !== undefined) headers['retry-after'] = String(error.retryAfter);
  return [error.status, JSON.stringify(fault(error, ending)), headers];
}

/** Server-sent events, written as they come. */
export function createStreamedSession(options: SessionOptions, encoder: Encoder): Session {
  const { meta, limits, independent, onPack, onSaid } = options;
  const { heartbeat = HEARTBEAT, contentType } = encoder;
  const audience = createBroadcast({ limits, heartbeat, independent, onPack, onSaid });
  let onDrain = () => {};
  let ended = false;
  let pending = '';
  audience.listen({ onChange: options.onChange, onDrain: () => onDrain() });

  function begin(): void {
    if (audience.committed) return;
    const headers = { ...headersOf(meta), ...encoder.headers, ...(contentType && { 'content-type': contentType }) };
    audience.open(headers);
    options.onBegin?.(headers, heartbeat);
    pending = encoder.start(meta) + pending;
  }

  function flush(): Flushed {
    if (pending !== '') {
      const frames = withoutLineSeparators(pending);
      pending = '';
      audience.deliver(frames);
    }
    return audience.state();
  }

  return {
    id: meta.streamId,
    wire: encoder.raw && options.wire,
    whole: false,
    meta,
    audience,
    begin,
    commit() {
      if (audience.committed) return;
      begin();
      if (pending === '') audience.beat();
      else flush();
    },
    event(event) {
      pending += encoder.event(event);
    },
    raw(data, hasUsage) {
      pending += encoder.raw!(data, hasUsage);
    },
    flush,
    onDrain(listener) {
      onDrain = listener;
    },
    end(ending) {
      if (ended) return;
      ended = true;
      if (!audience.committed && ending.type === 'error') {
        audience.reject(refusal(options, ending.error, ending));
        return;
      }
      begin();
      pending += encoder.end(ending);
      flush();
      audience.end();
    },
  };
}

/** One JSON object at the end. */
export function createWholeSession(options: SessionOptions, collector: Collector): Session {
  const { meta } = options;
  const audience = createWaiting();
  let ended = false;
  audience.listen(options);
  return {
    id: meta.streamId,
    wire: collector.raw && options.wire,
    whole: true,
    meta,
    audience,
    begin() {},
    commit() {},
    event: (event) => collector.event(event),
    raw: (data, hasUsage) => collector.raw!(data, hasUsage),
    flush: () => 'kept',
    onDrain() {},
    end(ending) {
      if (ended) return;
      ended = true;
      audience.answer(
        ending.type === 'error'
          ? refusal(options, ending.error, ending)
          : [200, JSON.stringify(collector.result(ending, meta)), headersOf(meta)],
      );
    },
  };
}
