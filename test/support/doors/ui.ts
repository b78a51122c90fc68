// Reads what POST /v1/ui/chat answers. https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#data-stream-protocol
// Whether the SDK's own parser takes each chunk is asked in test/dialects/ui.test.ts; here is what a schema cannot say.
import { type Answer, argsOf, type Door, fields, framesOf, must, type ReadCall, worded } from './door.ts';
import { countsOf } from './native.ts';

const FINISH: Record<string, string> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool-calls',
  'content-filter': 'content-filter',
  cancelled: 'abort',
  budget: 'length',
  other: 'other',
};

const CHUNKS: Record<string, string> = {
  start: 'messageId messageMetadata',
  'start-step': '',
  'text-start': 'id',
  'text-delta': 'id delta',
  'text-end': 'id providerMetadata?',
  'reasoning-start': 'id',
  'reasoning-delta': 'id delta',
  'reasoning-end': 'id providerMetadata?',
  'tool-input-start': 'toolCallId toolName',
  'tool-input-delta': 'toolCallId inputTextDelta',
  'tool-input-available': 'toolCallId toolName input providerMetadata?',
  'tool-input-error': 'toolCallId toolName input errorText providerMetadata?',
  'message-metadata': 'messageMetadata',
  'finish-step': '',
  finish: 'finishReason messageMetadata',
  abort: '',
  error: 'errorText',
};

const errorOf = ({ code, message }: any) => ({ type: 'error' as const, code, message });

/** Arguments that could not be read come as the text that they were. */
const inputOf = (type: string, input: any) =>
  type === 'tool-input-error' || type === 'output-error' ? argsOf(input) : input;

export const ui: Door = {
  name: 'ui',
  path: () => '/v1/ui/chat',
  body: (model, { stream }) => ({
    model,
    stream,
    messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: 'Hello there' }] }],
  }),
  read(body) {
    const answer: Answer = {
      text: '',
      reasoning: '',
      toolCalls: [],
      usage: undefined,
      end: { type: 'done', finish: '' },
    };
    const calls = new Map<string, Partial<ReadCall> & { name: string }>();
    let open: string | undefined; // the one block
    let metadata: any;
    let steps = 0;
    let terminal: string | undefined;
    let over = false;
    framesOf(body, { ids: true }).forEach(({ event, data }, at) => {
      must(event === undefined, `an event with the name ${event}`);
      must(!over, `behind the end: ${data}`);
      if (data === '[DONE]') {
        must(terminal, 'the end of the stream, and not of the message');
        over = true;
        return;
      }
      const { type, ...chunk } = JSON.parse(data);
      must(CHUNKS[type] !== undefined, `a chunk ${type}`);
      fields(chunk, `${CHUNKS[type]}`.trim() || 'none?', type);
      must(!terminal, `${type} behind ${terminal}`);
      must((at === 0) === (type === 'start') && (at === 1) === (type === 'start-step'), `${type} at ${at}`);
      if (type === 'finish') must(steps === 1, 'the end inside a step');
      else if (type !== 'finish-step') must(steps === 0, `${type} behind the step`);
      switch (type) {
        case 'text-start':
        case 'reasoning-start':
          must(!open, `${chunk.id} begins inside ${open}`);
          open = chunk.id;
          return;
        case 'text-delta':
        case 'reasoning-delta':
          must(open === chunk.id && chunk.delta !== '', `a piece of ${chunk.id}, which is not open`);
          answer[type === 'text-delta' ? 'text' : 'reasoning'] += chunk.delta;
          return;
        case 'text-end':
        case 'reasoning-end':
          must(open === chunk.id, `the end of ${chunk.id}, which is not open`);
          open = undefined;
          return;
        case 'tool-input-start':
          must(!calls.has(chunk.toolCallId) && !open && chunk.toolName, `a call: ${data}`);
          calls.set(chunk.toolCallId, { name: chunk.toolName });
          return;
        case 'tool-input-delta':
          must(calls.has(chunk.toolCallId) && chunk.inputTextDelta !== '', `a piece of a call: ${data}`);
          must(!('args' in calls.get(chunk.toolCallId)!), 'a piece of a call that is complete');
          return;
        case 'tool-input-available':
        case 'tool-input-error': {
          const known = calls.get(chunk.toolCallId) ?? { name: chunk.toolName };
          must(!('args' in known) && known.name === chunk.toolName, 'a call that was complete already');
          calls.set(chunk.toolCallId, { ...known, id: chunk.toolCallId, args: inputOf(type, chunk.input) });
          return;
        }
        case 'finish-step':
          steps++;
          return;
        case 'message-metadata':
          metadata = chunk.messageMetadata;
          return;
        case 'finish':
          metadata = chunk.messageMetadata;
          answer.end = { type: 'done', finish: chunk.finishReason };
          terminal = type;
          return;
        case 'abort':
          answer.end = { type: 'done', finish: 'abort' };
          terminal = type;
          return;
        case 'error':
          must(chunk.errorText === metadata.error.message, 'an error that the metadata do not say');
          answer.end = errorOf(metadata.error);
          terminal = type;
          return;
        default: // start, start-step: their place is all
      }
    });
    must(over && !open, 'no terminal');
    answer.toolCalls = [...calls.values()].filter((call): call is ReadCall => 'args' in call);
    return { ...answer, ...countsOf(metadata.usage) };
  },
  readWhole(message) {
    fields(message, 'id role metadata parts', 'the message');
    must(message.parts[0]?.type === 'step-start', 'a message without a step');
    const textOf = (type: string) => message.parts.flatMap((p: any) => (p.type === type ? [p.text] : [])).join('');
    return {
      text: textOf('text'),
      reasoning: textOf('reasoning'),
      toolCalls: message.parts.flatMap(({ type, toolCallId, state, input }: any) =>
        state === 'input-available' || state === 'output-error'
          ? [{ id: toolCallId, name: type.replace('tool-', ''), args: inputOf(state, input) }]
          : [],
      ),
      ...countsOf(message.metadata.usage),
      end: { type: 'done', finish: FINISH[message.metadata.finish_reason]! },
    };
  },
  refusal: (body) => errorOf(fields(body, 'error', 'the refusal').error),
  expected: (answer) => ({ ...answer, end: worded(answer.end, FINISH) }),
};
