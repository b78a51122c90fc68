// Tools and the choice among them. The API has no word for `none`, wants the tools of a conversation declared even where they are not
// offered any more, and cannot forbid parallel calls: Claude's own `tool_choice` can say all that, other models cannot.
// Knows tools; no message's content. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
import type { Tool } from '../../core/chat.ts';
import { plainSchema } from '../anthropic/schema.ts';
import type { cacheOf, Turn } from '../conversation.ts';
import type { Reader } from '../translate.ts';
import type { CachePoint } from './messages.ts';
import type { Traits } from './models.ts';

export interface ToolFields {
  toolConfig?: { tools: unknown[]; toolChoice?: object };
  /** Among the model's own fields. */
  tool_choice?: { type: string; name?: string; disable_parallel_tool_use?: true };
  /** The model must call one. */
  forced: boolean;
}

type Choice = { type: 'none' | 'auto' | 'any' } | { type: 'tool'; name: string };

export function toolsOf(
  reader: Reader,
  turns: Turn[],
  traits: Traits,
  cachePoint: (carrier: Parameters<typeof cacheOf>[0]) => CachePoint[],
): ToolFields {
  const offered = reader.take('tools') ?? [];
  const choice = choiceOf(reader);
  const parallel = reader.take('parallel_tool_calls') ?? true;
  const used = namesIn(turns);
  if (offered.length === 0) {
    if (choice?.type === 'any' || choice?.type === 'tool')
      reader.refuse('tool_choice', 'expected tools to choose from');
    if (used.length === 0) return { forced: false };
    return { toolConfig: { tools: used.map(stub) }, ...silent(traits), forced: false };
  }
  const tools = offered.flatMap((tool, at) => [specOf(tool, `tools[${at}]`, reader, traits), ...cachePoint(tool)]);
  if (choice?.type === 'none') {
    if (used.length === 0) return { forced: false };
    if (!traits.toolChoice) {
      reader.refuse('tool_choice', 'once tools were called, this model cannot be kept from calling them');
    }
    return { toolConfig: { tools }, ...silent(traits), forced: false };
  }
  const forced = choice?.type === 'any' || choice?.type === 'tool';
  if (!parallel) {
    if (!traits.toolChoice) reader.refuse('parallel_tool_calls', 'this model cannot be kept from calling several');
    // The choice is said in one of the two places: in both, the API sees a conflict.
    const tool_choice = { ...(choice ?? { type: 'auto' }), disable_parallel_tool_use: true as const };
    return { toolConfig: { tools }, tool_choice, forced };
  }
  return { toolConfig: { tools, ...(choice && { toolChoice: unionOf(choice) }) }, forced };
}

function choiceOf(reader: Reader): Choice | undefined {
  const given = reader.take('tool_choice');
  switch (given) {
    case undefined:
      return undefined;
    case 'none':
    case 'auto':
      return { type: given };
    case 'required':
      return { type: 'any' };
    default: {
      const { type, function: named } = given as { type: string; function?: { name?: unknown } | null };
      if (type === 'function' && typeof named?.name === 'string') return { type: 'tool', name: named.name };
      return reader.refuse('tool_choice', 'expected none, auto, required or a function');
    }
  }
}

function unionOf(choice: Choice): object {
  return choice.type === 'tool' ? { tool: { name: choice.name } } : { [choice.type]: {} };
}

function specOf(tool: Tool, param: string, reader: Reader, { strict }: Traits): object {
  const { type, function: named } = tool;
  if (type !== 'function' || !named) return reader.refuse(`${param}.type`, 'expected a function');
  const given = named.parameters ?? { type: 'object', properties: {} };
  const held = named.strict && strict ? plainSchema(given) : undefined;
  if (named.strict && !held) reader.drop('tools.strict');
  return {
    toolSpec: {
      name: named.name,
      ...(named.description?.trim() && { description: named.description }),
      inputSchema: { json: held ?? given },
      ...(held && { strict: true }),
    },
  };
}

/** Calls stay in the conversation when their tools are not offered any more, and the API wants them declared. */
function stub(name: string): object {
  return { toolSpec: { name, description: 'Not available any more.', inputSchema: { json: { type: 'object' } } } };
}

function silent({ toolChoice }: Traits): Pick<ToolFields, 'tool_choice'> {
  return toolChoice ? { tool_choice: { type: 'none' } } : {};
}

function namesIn(turns: Turn[]): string[] {
  const names = turns.flatMap(({ parts }) =>
    parts.flatMap((part) => (part.type === 'tool-call' || part.type === 'tool-result' ? [part.name ?? 'unknown'] : [])),
  );
  return [...new Set(names)];
}
