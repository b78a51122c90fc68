// Puts text on the clipboard, also where the browser has none for the page. Knows nothing else.

/** Resolves with whether it is there. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {}
  // Pages that came over plain HTTP from another machine have no clipboard of their own.
  const focused = document.activeElement;
  const carrier = Object.assign(document.createElement('textarea'), {
    value: text,
    className: 'unseen',
    readOnly: true,
  });
  document.body.append(carrier);
  carrier.select();
  const copied = document.execCommand('copy');
  carrier.remove();
  focused?.focus();
  return copied;
}
