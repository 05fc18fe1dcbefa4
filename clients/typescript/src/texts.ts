/** Texts as the server stores and compares them. */

/** A title or a name: no white space around it, each break of a line as one space. */
export function oneLine(text: string): string {
  const isBreak = /[\x01-\x1f\x7f-\x9f\u2028\u2029]/;
  return text
    .replace(/[\s\x01-\x1f\x7f-\x9f]+/g, (space) => (isBreak.test(space) ? " " : space))
    .trim();
}

export function oneLabel(text: string): string {
  return text.replace(/\s+/g, " ").trim().normalize("NFC");
}

const keys = new Map<string, string>();

/** What labels are compared by: case and width make no difference, accents do. */
export function labelKey(label: string): string {
  const known = keys.get(label);
  if (known !== undefined) return known;
  const small = label.normalize("NFKC").toLowerCase().replace(/ß/g, "ss").replace(/ς/g, "σ");
  keys.set(label, small);
  return small;
}
