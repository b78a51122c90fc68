// Decides all of a completion before a byte of it is sent: refusal, other reply, or script with its pace.
// Knows the wire by its contract only, and no socket.
import { type Answer, composeAnswer } from './answer.ts';
import { parseModel } from './behaviours.ts';
import type { Plan } from './plan.ts';
import { findRecording, type Recording } from './recordings.ts';
import { replayScript, type Script, streamScript, strikes, wholeScript } from './script.ts';
import { type Asked, type HttpReply, Refused, type RequestContext, type Wire } from './wire.ts';

export type Completion =
  | { kind: 'reply'; delay: number; reply: HttpReply }
  | {
      kind: 'script';
      script: Script;
      plan: Plan;
      contentType: string;
      /** Milliseconds until the headers. */
      delay: number;
      /** Tokens per second after that; null where nothing paces. */
      rate: number | null;
      /** Whether tokens are counted as a provider bills them. A recording's are not known. */
      billed: boolean;
    };

/** Throws `Refused` for a model that means nothing. */
export function prepareCompletion(
  wire: Wire,
  asked: Asked,
  body: unknown,
  context: RequestContext,
  folders: string[],
): Completion {
  const plan = planOf(wire, asked, context);
  const { delay, fault } = plan;
  if (plan.reply) return { kind: 'reply', delay, reply: replyOf(plan.reply, wire, context) };

  const framer = wire.framer(asked, body, plan, context);
  if (plan.content.kind === 'replay') {
    const recording = recordingOf(wire, asked, plan.content.recording, context, folders);
    const script = replayScript(plan, recording, framer);
    return { kind: 'script', script, plan, contentType: recording.contentType, delay, rate: plan.rate, billed: false };
  }

  const answer = composeAnswer(plan, asked);
  const { contentType } = framer;
  if (asked.stream) {
    const script = streamScript(plan, answer, framer);
    return { kind: 'script', script, plan, contentType, delay, rate: plan.rate, billed: true };
  }
  if (answer.tokens.completion > MAX_WHOLE_TOKENS) throw new Refused(wire.refuse({ kind: 'context-length' }, context));
  const generated = generationTime(plan, answer);
  if (fault?.kind === 'error' && strikes(plan, answer)) {
    return { kind: 'reply', delay: generated, reply: wire.refuse({ kind: 'status', status: 500 }, context) };
  }
  const script = wholeScript(plan, answer, framer);
  return { kind: 'script', script, plan, contentType, delay: generated, rate: null, billed: true };
}

function planOf(wire: Wire, asked: Asked, context: RequestContext): Plan {
  const parsed = parseModel(asked.model);
  if ('plan' in parsed) return parsed.plan;
  const hint = `'${parsed.unknown}' is no behaviour, or contradicts another part`;
  throw new Refused(wire.refuse({ kind: 'unknown-model', model: asked.model, hint }, context));
}

function recordingOf(wire: Wire, asked: Asked, name: string, context: RequestContext, folders: string[]): Recording {
  const recording = findRecording(folders, name);
  if (recording) return recording;
  const hint = `there is no recording '${name}'`;
  throw new Refused(wire.refuse({ kind: 'unknown-model', model: asked.model, hint }, context));
}

/** An answer that is not streamed must fit in memory. More than any model says at once. */
const MAX_WHOLE_TOKENS = 1_000_000;

/** Milliseconds until an answer is sent that is sent only when it is complete, or when its fault strikes. */
function generationTime({ delay, rate, fault }: Plan, answer: Answer): number {
  if (rate === null) return delay;
  const generated = Math.min(answer.tokens.completion, fault?.after ?? Number.POSITIVE_INFINITY);
  return delay + (generated * 1000) / rate;
}

function replyOf(wanted: NonNullable<Plan['reply']>, wire: Wire, context: RequestContext): HttpReply {
  switch (wanted.kind) {
    case 'status':
    case 'context-length':
    case 'content-filter':
      return wire.refuse(wanted, context);
    case 'redirect':
      return { status: 302, headers: { location: '/_mock/redirected' }, body: '' };
    case 'html':
      return {
        status: 200,
        headers: { 'content-type': 'text/html; charset=utf-8' },
        body: '<!doctype html><html><head><title>Welcome</title></head><body>Please sign in to the network.</body></html>\n',
      };
    default:
      return wanted satisfies never;
  }
}
