/** Says a thing on the console once in the life of the program, however many networks are made. */

const said = new Set<string>();

export function warnOnce(topic: string, message: string): void {
  if (said.has(topic)) return;
  said.add(topic);
  console.warn(message);
}
