// JSON laid out while it is still being written. Pure text.

/** Lays out JSON as `JSON.stringify(…, null, 2)` does, also when its end has not come yet. */
export function prettyPartialJson(text: string): string {
  let out = '';
  let depth = 0;
  let inString = false;
  let opened = false; // the last thing was an opening bracket
  const newLine = () => `\n${'  '.repeat(depth)}`;
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (inString) {
      out += char;
      if (char === '\\') out += text[++i] ?? '';
      else if (char === '"') inString = false;
      continue;
    }
    if (/\s/.test(char)) continue;
    if (char === '}' || char === ']') {
      depth = Math.max(0, depth - 1);
      out += opened ? char : newLine() + char;
      opened = false;
      continue;
    }
    if (opened) out += newLine();
    opened = char === '{' || char === '[';
    if (opened) depth++;
    out += char;
    if (char === '"') inString = true;
    else if (char === ',') out += newLine();
    else if (char === ':') out += ' ';
  }
  return out;
}
