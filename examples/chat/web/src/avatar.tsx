/** Initials on a colour that belongs to the actor. */
export function Avatar({ actor, name, small = false }: { actor: string; name: string; small?: boolean }) {
  return (
    <span className={small ? 'avatar small' : 'avatar'} style={{ '--hue': hue(actor) } as object} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

/** A hue in degrees, the same for an actor everywhere. */
export function hue(actor: string): number {
  let hash = 7;
  for (const character of actor) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash % 360;
}

function initials(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
  const letters = words.length > 1 ? words.slice(0, 2).map(first) : [first(words[0] ?? name)];
  return letters.join('').toLocaleUpperCase() || '?';
}

function first(word: string): string {
  return [...word][0] ?? '';
}
