// The config schema in the form editors read, for completion and hints while typing. `node src/config/json-schema.ts`
// writes millrace.schema.json; a test holds that file equal to the function. Knows zod and vendors, no field.
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { configSchema } from './schema.ts';
import { VENDORS } from './vendors.ts';

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** Describes what may be written (durations as text), not what the program gets (milliseconds). */
export function configJsonSchema(): JsonSchema {
  // Draft 7 is what yaml-language-server reads in full.
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' }) as JsonSchema;
  letVendorsBeBrief(schema);
  return { $schema: schema.$schema, title: 'Millrace configuration', ...schema };
}

/** A provider named after a vendor gets wire and baseUrl from its name, so only there nothing is required. */
function letVendorsBeBrief(schema: JsonSchema): void {
  const providers = schema.properties?.providers as JsonSchema;
  const wires = (providers.additionalProperties as JsonSchema).oneOf as JsonSchema[];
  providers.properties = Object.fromEntries(
    Object.entries(VENDORS).map(([name, vendor]) => {
      const wire = wires.find((candidate) => isWire(candidate, vendor.wire))!;
      const { required: _required, ...brief } = wire;
      const key = vendor.env === undefined ? '' : ` The key comes from ${vendor.env} when apiKey is left out.`;
      const description = `${vendor.baseUrl ?? vendor.example ?? 'Built in.'}${key} ${vendor.docs}`;
      return [name, { ...brief, type: ['object', 'null'], description }];
    }),
  );
}

function isWire(provider: JsonSchema, wire: string): boolean {
  return (provider.properties?.wire as JsonSchema | undefined)?.const === wire;
}

if (import.meta.main) {
  writeFileSync(
    new URL('../../millrace.schema.json', import.meta.url),
    `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
  );
}
