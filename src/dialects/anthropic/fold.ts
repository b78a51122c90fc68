// Frames of a Messages stream folded into the one message that the API would have answered whole. What a frame says beyond what is
// known here is kept, so that blocks of the vendor's own tools arrive as they are. Knows the frames; no events, no HTTP.
// https://platform.claude.com/docs/en/api/messages/create
type Fields = Record<string, unknown>;

export interface MessageFold {
  add(frame: unknown): void;
  /** `undefined` when no message was started. */
  message(): Fields | undefined;
}

/** The field of a block that a delta's field of the same name is appended to. */
const APPENDED = ['text', 'thinking'] as const;

export function foldFrames(): MessageFold {
  let message: Fields | undefined;
  const content: Fields[] = [];
  const inputs = new Map<Fields, string>(); // JSON of tool inputs so far

  function fill(block: Fields, delta: Fields): void {
    const { type: _, ...fields } = delta;
    for (const name of APPENDED) {
      if (typeof fields[name] === 'string') fields[name] = `${block[name] ?? ''}${fields[name]}`;
    }
    if (typeof fields.partial_json === 'string') inputs.set(block, (inputs.get(block) ?? '') + fields.partial_json);
    delete fields.partial_json;
    if (fields.citation) {
      block.citations = [...(Array.isArray(block.citations) ? block.citations : []), fields.citation];
      delete fields.citation;
    }
    Object.assign(block, fields);
  }

  return {
    add(frame) {
      if (!isFields(frame)) return;
      const { type, index, message: head, content_block, delta, usage, ...rest } = frame;
      const block = typeof index === 'number' ? content[index] : undefined;
      switch (type) {
        case 'message_start':
          message = isFields(head) ? { ...head } : {};
          return;
        case 'content_block_start':
          if (isFields(content_block) && typeof index === 'number' && index >= 0 && index <= content.length) {
            content[index] = { ...content_block };
          }
          return;
        case 'content_block_delta':
          if (block && isFields(delta)) fill(block, delta);
          return;
        case 'message_delta':
          message = { ...message, ...rest, ...(isFields(delta) ? delta : {}) };
          if (isFields(usage)) message.usage = { ...(isFields(message.usage) ? message.usage : {}), ...usage };
          return;
        default: // ends of blocks, pings
      }
    },
    message() {
      for (const [block, text] of inputs) if (text.trim() !== '') block.input = inputOf(text);
      return message && { ...message, content };
    },
  };
}

/** A model's arguments that are no JSON keep their text, in the form that the API's makers advise. https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming#handling-invalid-json-in-tool-responses */
function inputOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { INVALID_JSON: text };
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
