// Searches text for secret bytes, in every form in which a log, a metric, JSON or util.inspect would write them.

/** Bytes to search for; shorter values would be found by chance. */
export const CANARY_BYTES = 16;

/** Base64 of bytes inside longer ones: the characters that do not depend on the neighbours, for all three alignments. */
function base64Forms(bytes: Uint8Array, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((before) => {
    const shifted = Buffer.concat([Buffer.alloc(before), bytes])
      .toString(encoding)
      .replaceAll('=', '');
    // Characters that also hold bits of neighbouring bytes are unknown.
    const whole = Math.floor(((before + bytes.length) * 8) / 6);
    return shifted.slice(Math.ceil((before * 8) / 6), whole);
  });
}

/** Returns the form in which `secret` appears in `text`; undefined if it does not. Searches for the first 16 bytes. */
export function findTrace(text: string, secret: Uint8Array): string | undefined {
  const part = secret.subarray(0, CANARY_BYTES);
  // Text within JSON has its line breaks escaped.
  const compact = text.replaceAll(/\\[nrt]|\s/g, '');
  const hex = Buffer.from(part).toString('hex');
  if (compact.toLowerCase().includes(hex)) return `hex ${hex}`;
  for (const encoding of ['base64', 'base64url'] as const) {
    const found = base64Forms(part, encoding).find((form) => text.includes(form));
    if (found) return `${encoding} ${found}`;
  }
  const numbers = [...part].join(',');
  if (compact.includes(numbers)) return `numbers ${numbers}`;
  // A byte array as JSON.stringify writes it: an object with the positions as names.
  // It may begin at any position, if it is a part of a longer array. A text within JSON has its quotes escaped.
  const named = [...compact.matchAll(/(\d+)\\*"?:(\d+)(?=[,}])/g)];
  const found = named.some((_, from) =>
    part.every((byte, i) => {
      const [, position, value] = named[from + i] ?? [];
      return Number(value) === byte && Number(position) === Number(named[from]?.[1]) + i;
    }),
  );
  return found ? 'an object of bytes' : undefined;
}
