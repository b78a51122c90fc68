// OpenAI's words for what zod finds wrong with a request body, the same on each of its wires: message, param and code.
// Knows no wire's fields.
// https://platform.openai.com/docs/guides/error-codes/api-errors
import type { z } from 'zod';
import { findFault, typeOf } from '../request-fault.ts';

export interface RequestError {
  message: string;
  param: string | null;
  code: string | null;
}

export function explain(zodIssue: z.core.$ZodIssue, body: unknown): RequestError {
  const { path, issue, given } = findFault(zodIssue, body);
  const param = nameOf(path);
  const error = (code: string, message: string) => ({ message, param, code });
  if (issue.code === 'unrecognized_keys') {
    const key = param === '' ? issue.keys[0]! : `${param}.${issue.keys[0]}`;
    return { message: `Unknown parameter: '${key}'.`, param: key, code: 'unknown_parameter' };
  }
  if (given === undefined) return error('missing_required_parameter', `Missing required parameter: '${param}'.`);
  const unsupported = (values: readonly unknown[]) => {
    const supported = values.map((value) => `'${String(value)}'`).join(', ');
    return error('invalid_value', `Invalid value: '${String(given)}'. Supported values are: ${supported}.`);
  };
  switch (issue.code) {
    case 'invalid_type':
      return error(
        'invalid_type',
        `Invalid type for '${param}': expected ${nameType(issue.expected)}, but got ${nameType(typeOf(given))} instead.`,
      );
    case 'invalid_value':
      return unsupported(issue.values);
    case 'invalid_union':
      if ('options' in issue && Array.isArray(issue.options)) return unsupported(issue.options);
      return error('invalid_value', `Invalid value for '${param}'.`);
    case 'too_big':
    case 'too_small': {
      const over = issue.code === 'too_big';
      const bound = over ? issue.maximum : issue.minimum;
      if (Array.isArray(given)) {
        const empty = given.length === 0;
        return error(
          empty ? 'empty_array' : over ? 'array_above_max_length' : 'array_below_min_length',
          `Invalid '${param}': ${empty ? 'empty array' : over ? 'array too long' : 'array too short'}. Expected an array with ${over ? 'maximum' : 'minimum'} length ${bound}, but got ${empty ? 'an empty array' : `an array with length ${given.length}`} instead.`,
        );
      }
      const kind = Number.isInteger(bound) && Number.isInteger(given) ? 'integer' : 'decimal';
      return error(
        `${kind}_${over ? 'above_max' : 'below_min'}_value`,
        `Invalid '${param}': ${kind} ${over ? 'above maximum' : 'below minimum'} value. Expected a value ${over ? '<=' : '>='} ${bound}, but got ${String(given)} instead.`,
      );
    }
    case 'invalid_format':
      return error(
        'invalid_value',
        `Invalid '${param}': string does not match pattern. Expected a string that matches the pattern '${issue.pattern ?? issue.format}'.`,
      );
    default:
      return error('invalid_value', `Invalid value for '${param}'.`);
  }
}

/** `messages[0].content` */
function nameOf(path: PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');
}

function nameType(type: string): string {
  const article = /^[aeiou]/.test(type) ? 'an' : 'a';
  if (type === 'int') return 'an integer';
  return type === 'null' ? 'null' : `${article} ${type}`;
}
