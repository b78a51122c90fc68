// The variables of a prompt against its input schema (JSON Schema, as dotprompt makes it from picoschema).
// Knows no template. Messages name variables and types, never values.
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import { nearest } from './nearest.ts';

export interface VariablesSchema {
  properties?: Record<string, VariableSchema>;
  required?: string[];
  additionalProperties?: unknown;
}

export interface VariableSchema {
  type?: string | string[];
  description?: string;
  enum?: unknown[];
  items?: VariableSchema;
  properties?: Record<string, VariableSchema>;
  required?: string[];
}

export interface PromptVariable {
  name: string;
  required: boolean;
  description?: string;
  /** As a person would say it: `string`, `"short" | "long"`, `string[]`. */
  type: string;
}

export type CheckVariables = (given: Record<string, unknown>) => Record<string, unknown>;

/** Returns the variables with defaults filled in, or throws one `invalid_request` that names everything wrong with them. */
export function variableChecker(
  prompt: string,
  schema: VariablesSchema | null,
  defaults: Record<string, unknown>,
): CheckVariables {
  if (schema === null) return (given) => ({ ...defaults, ...given });
  const known = Object.keys(schema.properties ?? {});
  const checks = new Map(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [
      name,
      z.fromJSONSchema(property as z.core.JSONSchema.JSONSchema),
    ]),
  );
  return (given) => {
    const variables: Record<string, unknown> = { ...defaults, ...given };
    const missing = (schema.required ?? []).filter(
      (name) => !Object.hasOwn(variables, name) || variables[name] === undefined,
    );
    const unknown = Object.keys(given).filter((name) => !checks.has(name) && schema.additionalProperties === false);
    const wrong = [...checks].flatMap(([name, check]) => {
      if (!Object.hasOwn(variables, name) || variables[name] === undefined) return [];
      const result = check.safeParse(variables[name]);
      return result.success ? [] : [{ name, where: wrongPath(name, result.error) }];
    });
    const complaints = [
      missing.length > 0 ? `needs ${list(missing)}` : '',
      ...wrong.map(({ name, where }) => `takes ${typeOf(schema.properties![name]!)} as "${where}"`),
      ...unknown.map((name) => `has no variable ${JSON.stringify(name.slice(0, 60))}${suggestion(name, known)}`),
    ].filter((complaint) => complaint !== '');
    if (complaints.length === 0) return variables;
    const first = missing[0] ?? wrong[0]?.where ?? unknown[0]!.slice(0, 60);
    throw new GatewayError('invalid_request', `The prompt "${prompt}" ${complaints.join('; it ')}.`, {
      param: `prompt.variables.${first}`,
    });
  };
}

export function listVariables(schema: VariablesSchema | null, defaults: Record<string, unknown>): PromptVariable[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name,
    required: schema?.required?.includes(name) === true && !Object.hasOwn(defaults, name),
    ...(property.description && { description: property.description }),
    type: typeOf(property),
  }));
}

/** Any value that fits: enough for a trial run of a template. */
export function sampleOf(schema: VariablesSchema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, property]) => [name, sample(property)]),
  );
}

function sample(schema: VariableSchema): unknown {
  if (schema.enum) return schema.enum[0];
  switch ([schema.type].flat()[0]) {
    case 'integer':
    case 'number':
      return 1;
    case 'boolean':
      return true;
    case 'array':
      return schema.items ? [sample(schema.items)] : [];
    case 'object':
      return sampleOf(schema);
    default:
      return 'sample';
  }
}

function typeOf(schema: VariableSchema): string {
  if (schema.enum) {
    return schema.enum
      .filter((value) => value !== null)
      .map((value) => JSON.stringify(value))
      .join(' | ');
  }
  const types = [schema.type ?? 'any'].flat().filter((type) => type !== 'null');
  return types.map((type) => (type === 'array' && schema.items ? `${typeOf(schema.items)}[]` : type)).join(' | ');
}

/** The inner place of a mistake, where there is one: `items[2].name` says more than `items`. */
function wrongPath(name: string, error: z.ZodError): string {
  const [issue] = error.issues;
  const nested =
    issue?.code === 'invalid_union' ? issue.errors.flat().find((inner) => inner.path.length > 0) : undefined;
  const path = [...(issue?.path ?? []), ...(nested?.path ?? [])];
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : `${text}.${String(step)}`),
    name,
  );
}

function suggestion(name: string, known: string[]): string {
  if (known.length === 0) return ', nor any other';
  const guess = nearest(name, known);
  return ` (known: ${known.join(', ')}${guess === null ? '' : `; did you mean "${guess}"?`})`;
}

function list(names: string[]): string {
  const quoted = names.map((name) => `"${name}"`);
  const noun = names.length === 1 ? 'the variable' : 'the variables';
  return `${noun} ${quoted.length === 1 ? quoted[0] : `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`}`;
}
